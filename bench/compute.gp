# compute.gp - compute kernels against the native program.
#
# usage: as style.gp says; drawn by dots.gp.
here = ARG0[1:strlen(ARG0) - strlen('compute.gp')]
load here.'style.gp'
name = 'compute'
set ytics ()
load name.'.set'
xtitle = 'time, as a multiple of native (logarithmic)'
note = 'Ratio to the same object files run natively, within a round; medians over the rounds with 95 % intervals. Origin: measured.'
reference = 1
split = 1
load here.'dots.gp'
