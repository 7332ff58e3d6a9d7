# plot-data.awk - turns `ringlab compare --tsv` into the three tables that counts-and-costs.gp draws.
#
# usage: awk -v dir=DIR -f bench/plot-data.awk core/include/abi/events.h compare.tsv (the header gives the order of rows)
# Writes DIR/counts.dat (events of a kind that reached the VMM or KVM), DIR/costs.dat (median TSC cycles in the VMM) and
# DIR/cells.dat (cycles of an operation as the guest measured it), one row a kind, one column an engine; "?" is no value.
# Prints the engines' titles, one a line, for the plot's legend.
BEGIN { FS = "\t" }

function title(backend, interface) {
	return interface == "-" ? backend : backend ":" interface
}

/^enum event_kind/ {
	kinds_known = 1
}

!kinds_known && /^\tX\(/ {
	split($0, part, "\"")
	kind[++kinds] = part[2]
	next
}

$1 == "column" && $7 == "yes" {
	t = title($3, $4)
	engine[++engines] = t
	print t ($6 == "nested" ? " (" $5 ", nested: counts only)" : " (" $5 ")")
	nested[t] = $6 == "nested"
}

$1 == "event" && $6 != "inline" && $6 != "native" && $6 != "host-kernel emulation" && $10 > 0 {
	t = title($3, $4)
	count[$5, t] += $10
	# The cost of the most frequent mechanism stands for the kind.
	if ($12 != "-" && !nested[t] && $10 > best[$5, t]) {
		best[$5, t] = $10
		cost[$5, t] = $12
	}
}

$1 == "cell" {
	t = title($3, $4)
	if (!($5 in seen_cell)) {
		seen_cell[$5] = 1
		cell[++cells] = $5
	}
	if ($9 != "hole" && $8 != "-" && !nested[t] && ($7 > 0 || $8 > 0))
		steady[$5, t] = $8 < 1 ? 1 : $8 # the axis is logarithmic: less than a cycle is drawn as one
}

function table(file, names, n, value,    i, j, row, any) {
	printf "" > file
	for (i = 1; i <= n; i++) {
		row = "\"" names[i] "\""
		any = 0
		for (j = 1; j <= engines; j++) {
			if ((names[i], engine[j]) in value) {
				row = row " " value[names[i], engine[j]]
				any = 1
			} else {
				row = row " ?"
			}
		}
		if (any)
			print row > file
	}
	close(file)
}

END {
	table(dir "/counts.dat", kind, kinds, count)
	table(dir "/costs.dat", kind, kinds, cost)
	table(dir "/cells.dat", cell, cells, steady)
}
