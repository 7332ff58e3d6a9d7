# exits-over-time.gp - a panel for each run that counted its exits over time, stacked by kind.
#
# usage: as style.gp says; plot_time.c has stacked the bins.
here = ARG0[1:strlen(ARG0) - strlen('exits-over-time.gp')]
load here.'style.gp'
name = 'exits-over-time'
load name.'.set'
panel_height = 210.0
height = int(130 + panel_height * panels)
do for [format in 'svg png'] {
	eval begin(format, 1200, height)
	set output name.'.'.format
	set multiplot
	set lmargin at screen 0.085
	set rmargin at screen 0.97
	set yrange [0:*]
	set grid ytics lc '#dcdcdc' lt 1
	set ylabel 'thousand exits a second'
	set format y '%g'
	do for [p = 1:panels] {
		set tmargin at screen 1 - (145.0 + panel_height * (p - 1)) / height
		set bmargin at screen 1 - (145.0 + panel_height * (p - 1) + 128) / height
		set title panel_title[p] offset 0,-0.5 noenhanced
		if (p == 1) {
			set label 1001 heading at screen 0.02, screen 1 - 22.0 / height left font font_name.':Bold,'.(font_size + 4) noenhanced
			set label 1002 machine at screen 0.02, screen 1 - 46.0 / height left textcolor rgb '#505050' noenhanced
			set key at screen 0.5, screen 1 - 62.0 / height center top horizontal maxrows 2 samplen 1 noenhanced
		} else {
			unset label 1001
			unset label 1002
			unset key
		}
		if (p == panels) { set xlabel 'seconds since the guest started' }
		set xrange [0:panel_end[p]]
		plot for [k = 1:kinds] name.'.dat' index (p - 1) using ($5 == k ? ($1 + $2) / 2 : NaN):(($3 + $4) / 2000):1:2:($3 / 1000):($4 / 1000) \
			with boxxyerror lc rgb kind_colours[k] title kind_name[k]
	}
	unset multiplot
	unset xlabel
	set output
}
