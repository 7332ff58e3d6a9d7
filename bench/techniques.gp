# techniques.gp - the techniques of direct execution side by side.
#
# usage: as style.gp says; drawn by dots.gp.
here = ARG0[1:strlen(ARG0) - strlen('techniques.gp')]
load here.'style.gp'
name = 'techniques'
set ytics ()
load name.'.set'
xtitle = 'TSC cycles of one operation (logarithmic)'
note = 'xen: paravirtual; previrt: pre-virtualized; patch: rewritten at load; trap: trap-and-emulate. Medians, 95 % intervals; measured.'
reference = 0
split = 0
load here.'dots.gp'
