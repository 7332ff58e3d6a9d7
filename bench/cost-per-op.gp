# cost-per-op.gp - what one operation costs on each engine, for the guest.
#
# usage: as style.gp says; drawn by dots.gp.
here = ARG0[1:strlen(ARG0) - strlen('cost-per-op.gp')]
load here.'style.gp'
name = 'cost-per-op'
set ytics ()
load name.'.set'
xtitle = 'TSC cycles of one operation (logarithmic)'
note = 'Medians of the steady state, measured in the guest, with 95 % bootstrap intervals; further left is faster. Origin: measured.'
reference = 0
split = 0
load here.'dots.gp'
