# ablations.gp - what switching off one thing of bt costs.
#
# usage: as style.gp says; drawn by dots.gp.
here = ARG0[1:strlen(ARG0) - strlen('ablations.gp')]
load here.'style.gp'
name = 'ablations'
set ytics ()
load name.'.set'
xtitle = 'time without it, as a multiple of bt as it is (logarithmic)'
note = 'Ratio within a round, medians over the rounds with 95 % intervals; right of 1, the thing helps. Engine: bt; origin: measured.'
reference = 1
split = 0
load here.'dots.gp'
