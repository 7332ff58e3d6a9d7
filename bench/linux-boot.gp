# linux-boot.gp - booting Linux on each engine: one bar a boot, a colour for the way to each milestone.
#
# usage: as style.gp says; plot_time.c has the data.
here = ARG0[1:strlen(ARG0) - strlen('linux-boot.gp')]
load here.'style.gp'
name = 'linux-boot'
set ytics ()
load name.'.set'
height = 180 + 26 * rows
do for [format in 'svg png'] {
	eval begin(format, 1200, height)
	set output name.'.'.format
	set lmargin at screen 0.14
	set rmargin at screen 0.96
	set tmargin at screen 1 - 120.0 / height
	set bmargin at screen 62.0 / height
	set label 1001 heading at screen 0.02, screen 1 - 22.0 / height left font font_name.':Bold,'.(font_size + 4) noenhanced
	set label 1002 machine at screen 0.02, screen 1 - 46.0 / height left textcolor rgb '#505050' noenhanced
	set label 1003 'Medians over the rounds; the same kernel and initial RAM disk on each engine. Origin: measured.' at screen 0.02, screen 1 - 66.0 / height left textcolor rgb '#505050' noenhanced
	set key at screen 0.55, screen 1 - 76.0 / height center top horizontal maxrows 2 samplen 1 noenhanced
	set xrange [0 : high * 1.1]
	set yrange [-rows + 0.4 : 0.6]
	set ytics scale 0 noenhanced
	set grid xtics lc '#dcdcdc' lt 1
	set xlabel 'seconds since the process started'
	plot for [i = 1:milestones] name.'.dat' using ($4 == i ? ($1 + $2) / 2 : NaN):3:1:2:($3 - 0.36):($3 + 0.36) \
		with boxxyerror lc rgb kind_colours[(i - 1) % 10 + 1] title 'to: '.milestone[i]
	set output
}
