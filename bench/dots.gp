# dots.gp - points with their 95 % intervals on a logarithmic axis: a row for each workload, a colour and mark for each series.
#
# Loaded by the scripts of such plots, which set name, xtitle, note and, for ratios, reference (a line at 1) and split (1: emulators,
# which are far away, have a panel of their own); plot_dots.c makes the rest. Series lie a little apart in their row, so that none hides another.
width = 1200
row_height = series > 4 ? 26 : 22
legend_rows = int((series + 6) / 7)
height = int(96 + 24 * legend_rows + row_height * rows + 74)
apart = 0.64 / series
others = 0
do for [i = 1:series] { others = others + emulator[i] }
panels = split && others > 0 && others < series ? 2 : 1

do for [format in 'svg png'] {
	unset label
	unset arrow
	set ytics ()
	load name.'.set'
	eval begin(format, width, height)
	set output name.'.'.format
	set multiplot
	set tmargin at screen 1 - (82.0 + 24 * legend_rows) / height
	set bmargin at screen 66.0 / height
	set logscale x
	unset key
	set yrange [-rows + 0.3 : 0.9]
	set ytics scale 0 noenhanced
	set grid xtics ytics lc '#dcdcdc' lt 1, lc '#e8e8e8' lt 1
	set mxtics 10
	set format x reference > 0 ? '%g' : '%.0s%c'
	do for [p = 1:panels] {
		in_panel(i) = panels == 1 || emulator[i] == p - 1
		low = 1e300
		high = 0
		do for [i = 1:series] {
			if (in_panel(i)) {
				low = low < series_low[i] ? low : series_low[i]
				high = high > series_high[i] ? high : series_high[i]
			}
		}
		# The axis: at least from below to above the reference, with numbers as far apart as there is room for.
		if (reference > 0 && (p == 1 || panels == 1)) {
			low = low < reference / 1.1 ? low : reference / 1.1
			high = high > reference * 1.1 ? high : reference * 1.1
			set arrow 1000 from reference, graph 0 to reference, graph 1 nohead lc rgb '#000000' lw 1.5 back
		} else {
			unset arrow 1000
		}
		decades = log10(high / low)
		set xrange [low / (1 + 0.12 * decades + 0.02) : high * (1 + 0.12 * decades + 0.02)]
		set xtics auto
		if (decades < 3.2) {
			set xtics (0.0001)
			do for [d = int(floor(log10(low))) - 1:int(ceil(log10(high)))] {
				do for [m in decades < 0.5 ? '1 1.1 1.2 1.3 1.4 1.6 1.8 2 2.5 3 4 5 6 7 8 9' : decades < 1 ? '1 1.5 2 3 4 5 6 8' : '1 2 5'] {
					set xtics add (m * 10 ** d)
				}
			}
		}
		if (p == 1) {
			set lmargin at screen 0.2
			set rmargin at screen panels == 1 ? 0.97 : 0.66
			set label 1001 heading at screen 0.02, screen 1 - 22.0 / height left font font_name.':Bold,'.(font_size + 4) noenhanced
			set label 1002 machine at screen 0.02, screen 1 - 46.0 / height left textcolor rgb '#505050' noenhanced
			set label 1003 note at screen 0.02, screen 1 - 66.0 / height left textcolor rgb '#505050' noenhanced
			do for [i = 1:series] {
				set label 1100 + i series_name[i] at screen 0.2 + 0.11 * ((place[i] - 1) % 7), screen 1 - (88.0 + 22 * ((place[i] - 1) / 7)) / height \
					left offset 1,0 point pt point[i] ps 1.2 lc rgb colour[i] noenhanced
			}
			set xlabel panels == 1 ? xtitle : xtitle.', our engines'
		} else {
			unset label
			set ytics 1
			set lmargin at screen 0.70
			set rmargin at screen 0.97
			set format y ''
			set xlabel 'the same, emulators'
		}
		plot for [i = 1:series] name.'.dat' using ($5 == i && in_panel(i) ? $1 : NaN):($4 - apart * (place[i] - (series + 1) / 2.0)):2:3 with xerrorbars \
			lc rgb colour[i] pt point[i] ps 1.1 lw 1.4 notitle
	}
	unset multiplot
	set format y
	set output
}
