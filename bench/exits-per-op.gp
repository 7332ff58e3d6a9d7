# exits-per-op.gp - exits an operation: a row for each workload, a panel for each engine, stacked by kind.
#
# usage: as style.gp says. plot_bars.c has made boxes of everything, since gnuplot cannot stack on a logarithmic axis.
here = ARG0[1:strlen(ARG0) - strlen('exits-per-op.gp')]
load here.'style.gp'
set xtics ()
name = 'exits-per-op'
do for [format in 'svg png'] {
	reset
	load here.'style.gp'
	set xtics ()
	set ytics ()
	load name.'.set'
	width_px = 290 + 150 * panels
	width_px = width_px < 1080 ? 1080 : width_px
	height = 226 + 19 * rows
	eval begin(format, width_px, height)
	set output name.'.'.format
	set lmargin at screen 230.0 / width_px
	set rmargin at screen 0.99
	set tmargin at screen 1 - 150.0 / height
	set bmargin at screen 66.0 / height
	set label 1001 heading at screen 20.0 / width_px, screen 1 - 22.0 / height left font font_name.':Bold,'.(font_size + 4) noenhanced
	set label 1002 machine at screen 20.0 / width_px, screen 1 - 46.0 / height left textcolor rgb '#505050' noenhanced
	set label 1003 'Length: all exits of one operation, logarithmic; colours: the share of each kind. Empty: not counted. Measured, but where a panel says nested.' \
		at screen 20.0 / width_px, screen 1 - 66.0 / height left textcolor rgb '#505050' noenhanced
	set key at screen 0.5, screen 1 - 78.0 / height center top horizontal maxrows 3 samplen 1 noenhanced font font_name.','.(font_size - 1)
	set border 0
	set xrange [0:width]
	set yrange [-rows + 0.5 : 2.5]
	set ytics scale 0 noenhanced
	set xtics scale 0.3 font font_name.','.(font_size - 2)
	set xlabel 'exits an operation (logarithmic in each panel)'
	plot for [k = 1:kinds] name.'.dat' using ($4 == (k == kinds && kinds == 10 ? 10 : k) ? ($1 + $2) / 2 : NaN):3:1:2:($3 - 0.38):($3 + 0.38) \
		with boxxyerror lc rgb kind_colours[k] title kind_name[k]
	set output
}
