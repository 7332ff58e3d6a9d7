# modelled.gp - what VT-x exits would cost by published figures: computed, so hatched and called MODELLED.
#
# usage: as style.gp says; plot_bars.c has the data.
here = ARG0[1:strlen(ARG0) - strlen('modelled.gp')]
load here.'style.gp'
name = 'modelled'
set ytics ()
load name.'.set'
legend = 16 * ((series + 3) / 4)
height = 160 + legend + (7 * series + 10) * rows
do for [format in 'svg png'] {
	eval begin(format, 1200, height)
	set output name.'.'.format
	set lmargin at screen 0.27
	set rmargin at screen 0.97
	set tmargin at screen 1 - (90.0 + legend) / height
	set bmargin at screen 70.0 / height
	set label 1001 heading at screen 0.02, screen 1 - 22.0 / height left font font_name.':Bold,'.(font_size + 4) noenhanced
	set label 1002 machine at screen 0.02, screen 1 - 46.0 / height left textcolor rgb '#505050' noenhanced
	set label 1003 'Exits counted in a nested machine, times the published cost of an exit on each CPU. No clock was read. Engine: vtx; origin: MODELLED.' \
		at screen 0.02, screen 1 - 66.0 / height left textcolor rgb '#505050' noenhanced
	set key at screen 0.6, screen 1 - 78.0 / height center top horizontal maxcols 4 samplen 2 noenhanced
	set logscale x
	set yrange [-rows + 0.4 : 0.6]
	set ytics scale 0 noenhanced
	set grid xtics lc '#dcdcdc' lt 1
	set format x '%g'
	set xlabel 'MODELLED cycles of one operation (logarithmic)'
	set style fill pattern 1 border
	left = low / 3
	set xrange [left : high * 1.5]
	bar = 0.36 / series
	plot for [i = 1:series] name.'.dat' using ($3 == i ? $1 : NaN):2:(left):1:($2 - bar):($2 + bar) \
		with boxxyerror lc rgb series_colour(i) fillstyle pattern (i % 3 == 0 ? 2 : i % 3 == 1 ? 4 : 5) border lc rgb series_colour(i) title series_name[i].' (modelled)'
	set output
}
