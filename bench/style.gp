# style.gp - how all plots look: fonts, colours that stay apart for colour-blind readers, terminals.
#
# Loaded by each NAME.gp, which `ringlab bench` runs in a directory with NAME.set (settings) and NAME.dat (data).
set encoding utf8
set datafile missing '?'
font_name = 'DejaVu Sans'
font_size = 11
set border 3 lc '#808080'
set tics nomirror out scale 0.5 textcolor rgb '#202020'
set style fill solid 1.0 noborder

# Engines have the same colour and mark in every plot, in the order of engine_rank (view.c); after Okabe and Ito.
array engine_colours[11] = ['#000000', '#56B4E9', '#D55E00', '#009E73', '#0072B2', '#CC79A7', '#E69F00', '#8c8c8c', '#7a3e9d', '#8a6d3b', '#404040']
array engine_points[11]  = [2, 9, 7, 5, 13, 11, 15, 4, 6, 8, 1]
engine_colour(i) = engine_colours[i > 11 ? 11 : i]
engine_point(i) = engine_points[i > 11 ? 11 : i]
array series_colours[8] = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000', '#7a3e9d']
array series_points[8] = [5, 7, 9, 11, 13, 15, 4, 6]
series_colour(i) = series_colours[(i - 1) % 8 + 1]
series_point(i) = series_points[(i - 1) % 8 + 1]
# Kinds by their weight in the picture; the last is all that have no colour of their own.
array kind_colours[10] = ['#0072B2', '#E69F00', '#009E73', '#CC79A7', '#56B4E9', '#D55E00', '#F0E442', '#332288', '#882255', '#b8b8b8']

# Starts the next picture: NAME.svg, then NAME.png, of the same size.
svg = "set terminal svg size %d,%d dynamic enhanced font '%s,%d' background '#ffffff'"
png = "set terminal pngcairo size %d,%d enhanced font '%s,%d' background '#ffffff'"
begin(format, width, height) = format eq 'svg' ? sprintf(svg, width, height, font_name, font_size * 4 / 3) \
	: sprintf(png, width, height, font_name, font_size)
