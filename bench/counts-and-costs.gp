# counts-and-costs.gp - three panels: how often the VMM was involved, what that cost it, what the guest saw of it.
#
# usage: gnuplot -e "dir='DIR'; engines='bt (bt)|pv:xen (pv)|...'; heading='...'" bench/counts-and-costs.gp
# Reads DIR/counts.dat, costs.dat and cells.dat (bench/plot-data.awk); writes DIR/counts-and-costs.svg and .png.
set datafile missing '?'
set encoding utf8

n = 1
rest = engines
do for [i = 1:12] {
	at = strstrt(rest, '|')
	if (at > 0) { n = n + 1; rest = rest[at + 1:*] }
}
title_of(i) = word_at(engines, i)
word_at(s, i) = i == 1 ? (strstrt(s, '|') ? s[1:strstrt(s, '|') - 1] : s) : word_at(s[strstrt(s, '|') + 1:*], i - 1)

# Colours that stay apart for colour-blind readers (Okabe and Ito).
array colour[6] = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9']

step = n + 1.2               # width of one cluster, a bar is 1 wide
x(row, i) = row * step + i - (n + 1) / 2.0

# A guest without cells has no third panel, and a picture of two.
cells = int(system("wc -l <'".dir."/cells.dat'"))
height = cells > 0 ? 1560 : 1100
scale = 1560.0 / height
low(y) = 1 - (1 - y) * scale # a height on the screen, given for three panels

do for [format in 'svg png'] {
	if (format eq 'svg') {
		set terminal svg size 1500,height dynamic enhanced font 'DejaVu Sans,15' background '#ffffff'
	} else {
		set terminal pngcairo size 1500,height enhanced font 'DejaVu Sans,11' background '#ffffff'
	}
	set output dir.'/counts-and-costs.'.format
	set multiplot
	set boxwidth 0.92
	set style fill solid 0.9 noborder
	set border 3 lc '#808080'
	set grid ytics lc '#d8d8d8' lt 1
	set tics nomirror out scale 0.5 textcolor rgb '#202020'
	set xtics rotate by -38 left noenhanced textcolor rgb '#202020'
	set logscale y
	set format y '10^{%T}'
	set lmargin at screen 0.075
	set rmargin at screen 0.925
	set ylabel offset 1,0
	set key outside top center horizontal maxrows 1 samplen 1.2 width 1 noenhanced
	set label 1 heading at screen 0.5,low(0.985) center font ',15' noenhanced

	panel = 0
	do for [what in 'counts costs cells'] {
		top = 0.915 - panel * 0.318
		set tmargin at screen low(top)
		set bmargin at screen low(top - 0.185)
		file = dir.'/'.what.'.dat'
		if (what eq 'counts') {
			set title 'How often: events that reached the VMM or KVM' offset 0,0.2
			set ylabel 'events'
		}
		if (what eq 'costs') {
			set title 'At what cost: median TSC cycles spent in the VMM for one event' offset 0,0.2
			set ylabel 'cycles'
		}
		if (what eq 'cells') {
			set title 'What the guest sees: TSC cycles of one operation, steady state, measured in the guest' offset 0,0.2
			set ylabel 'cycles'
		}
		if (panel == 0) { set key at screen 0.5,low(0.965) center top } else { unset key }
		rows = int(system("wc -l <'".file."'"))
		if (rows > 0) {
			set xrange [-0.5 * step : (rows - 0.5) * step]
			set yrange [0.7 : *]
			# The first plot draws nothing: it only puts one label under each cluster.
			plot file using (x($0, (n + 1) / 2.0)):(1):xtic(1) with dots lc rgb '#ffffff' notitle, \
				for [i = 1:n] file using (x($0, i)):(column(i + 1)) with boxes lc rgb colour[i] title title_of(i)
		}
		panel = panel + 1
	}
	unset multiplot
	unset label 1
	set output
}
