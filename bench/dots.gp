# dots.gp - points with their 95 % intervals on a logarithmic axis: a row for each workload, a colour and mark for each series.
#
# Loaded by the scripts of such plots, which set name, xtitle, note and, for ratios, reference (a line at 1); see plot_dots.c.
width = 1200
if (reference > 0) {
	low = low < reference / 1.1 ? low : reference / 1.1
	high = high > reference * 1.1 ? high : reference * 1.1
}
decades = log10(high / low)
legend_rows = (series + 5) / 6
height = 150 + 22 * legend_rows + 20 * rows + 60

do for [format in 'svg png'] {
	eval begin(format, width, height)
	set output name.'.'.format
	set lmargin at screen 0.235
	set rmargin at screen 0.97
	set tmargin at screen 1 - (96.0 + 22 * legend_rows) / height
	set bmargin at screen 72.0 / height
	set label 1001 heading at screen 0.02, screen 1 - 22.0 / height left font font_name.':Bold,'.(font_size + 4) noenhanced
	set label 1002 machine at screen 0.02, screen 1 - 46.0 / height left textcolor rgb '#505050' noenhanced
	set label 1003 note at screen 0.02, screen 1 - 66.0 / height left textcolor rgb '#505050' noenhanced
	set key at screen 0.6, screen 1 - 76.0 / height center top horizontal maxcols 6 samplen 1.5 noenhanced
	set logscale x
	set xrange [low / 1.3 : high * 1.3]
	set yrange [-rows + 0.3 : 0.9]
	set ytics scale 0 noenhanced
	set grid xtics ytics lc '#dcdcdc' lt 1, lc '#dcdcdc' lt 1
	set mxtics 10
	set format x '%g'
	# Few decades have room for more numbers.
	if (decades < 3.2) {
		set xtics (0.001)
		do for [d = int(floor(log10(low / 1.3))):int(ceil(log10(high)))] {
			do for [m in decades < 1 ? '1 1.5 2 3 4 5 6 7 8' : '1 2 5'] { set xtics add (m * 10 ** d) }
		}
	}
	set xlabel xtitle
	if (reference > 0) {
		set arrow 1000 from reference, graph 0 to reference, graph 1 nohead lc rgb '#000000' lw 1.5 back
	}
	plot for [i = 1:series] name.'.dat' using ($5 == i ? $1 : NaN):4:2:3 with xerrorbars \
		lc rgb colour[i] pt point[i] ps 1.1 lw 1.4 title series_name[i]
	set output
}
