/*
 * report.js - what moves on the page of `ringlab report`: sorting, the filter, the panel of raw rows. Embedded by report_assets.S.
 *
 * The page is whole without it. It makes nodes, never markup, so that no name from a file can become an element.
 */
"use strict";
(() => {
	const svgSpace = "http://www.w3.org/2000/svg";
	const rowsAtOnce = 500;

	/* make("td", {class: "num"}, "text", node…) */
	function make(tag, attributes, ...children) {
		const e = tag === "svg" || tag === "circle" || tag === "line" || tag === "text" || tag === "title" ?
			document.createElementNS(svgSpace, tag) : document.createElement(tag);
		for (const [name, value] of Object.entries(attributes || {}))
			e.setAttribute(name, value);
		e.append(...children);
		return e;
	}

	/* --- tables that sort --- */

	/* What a cell sorts by: a number, a text, or null, which goes last in both directions. */
	function sortKey(cell) {
		if (!cell)
			return null;
		if (cell.dataset.v !== undefined)
			return Number(cell.dataset.v);
		return cell.textContent.trim() || null;
	}

	function compareKeys(a, b, collator) {
		if (typeof a === "number" && typeof b === "number")
			return a - b;
		return collator.compare(String(a), String(b));
	}

	const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

	function sortTable(table, column) {
		const heads = [...table.tHead.rows[0].cells], head = heads[column], body = table.tBodies[0];
		const state = { none: "ascending", ascending: "descending", descending: "none" }[head.getAttribute("aria-sort")] || "ascending";
		const sign = state === "descending" ? -1 : 1;
		if (!table.original)
			table.original = [...body.rows];
		const keyed = table.original.map((row) => [row, sortKey(row.cells[column])]);
		if (state !== "none")
			keyed.sort(([, a], [, b]) => a === null || b === null ? (a === null) - (b === null) : sign * compareKeys(a, b, collator));
		for (const h of heads)
			h.setAttribute("aria-sort", h === head ? state : "none");
		table.classList.toggle("sorted", state !== "none");
		body.append(...keyed.map(([row]) => row));
	}

	function tablesSort() {
		for (const table of document.querySelectorAll("table.data")) {
			[...table.tHead.rows[0].cells].forEach((head, column) => {
				const button = make("button", { type: "button" });
				button.append(...head.childNodes);
				head.append(button);
				head.setAttribute("aria-sort", "none");
				button.addEventListener("click", () => sortTable(table, column));
			});
		}
	}

	/* --- the filter --- */

	const off = { e: new Set(), s: new Set() };
	let words = [];

	/* The different values of data-e or data-s, as they first appear. */
	function values(attribute, selector) {
		return [...new Set([...document.querySelectorAll(selector)].map((e) => e.dataset[attribute]))].filter(Boolean);
	}

	function rowFits(row) {
		if (!words.length)
			return true;
		const text = row.textContent.toLowerCase();
		return words.every((w) => text.includes(w));
	}

	function applyFilter() {
		for (const e of document.querySelectorAll("[data-e], [data-s]"))
			e.hidden = off.e.has(e.dataset.e) || off.s.has(e.dataset.s);
		for (const row of document.querySelectorAll(".suite table.data tbody tr, #missing tbody tr"))
			row.hidden = off.e.has(row.dataset.e) || off.s.has(row.dataset.s) || !rowFits(row);
	}

	function chips(title, attribute, names) {
		const set = make("fieldset", {}, make("legend", {}, title));
		for (const name of names) {
			const b = make("button", { type: "button", "aria-pressed": "true" }, name);
			b.addEventListener("click", () => {
				const hide = !off[attribute].has(name);
				off[attribute][hide ? "add" : "delete"](name);
				b.setAttribute("aria-pressed", String(!hide));
				applyFilter();
			});
			set.append(b);
		}
		return set;
	}

	function filterMake() {
		const bar = document.getElementById("filter");
		const suites = values("s", "section[data-s]"), engines = values("e", ".suite [data-e]");
		if (!suites.length)
			return;
		const input = make("input", { type: "search", name: "words", placeholder: "workload, kind …", "aria-label": "Show only rows with these words" });
		input.addEventListener("input", () => {
			words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
			applyFilter();
		});
		bar.append(chips("Suites", "s", suites), chips("Engines", "e", engines), input);
		bar.hidden = false;
	}

	/* Heads that stay in sight, below the filter: where the table fits the page. */
	function headsPlace() {
		const bar = document.getElementById("filter");
		document.documentElement.style.setProperty("--bar", getComputedStyle(bar).position === "sticky" ? bar.offsetHeight + "px" : "0px");
		const wraps = [...document.querySelectorAll(".wrap")];
		const fit = wraps.map((w) => w.firstElementChild.offsetWidth <= w.clientWidth);
		wraps.forEach((w, i) => w.classList.toggle("fits", fit[i] && w.clientWidth > 0));
	}

	/* --- raw rows --- */

	const packed = [];

	function machine(m) {
		const element = document.getElementById("raw-" + m);
		if (!packed[m] && element)
			packed[m] = JSON.parse(element.textContent);
		return packed[m];
	}

	/* A group of report_raw.c as an object with its samples. */
	function unpack(data, no) {
		const g = data.group[no];
		if (!g)
			return null;
		const [modelled, suite, workload, variant, engine, origin, metric, kind, mechanism, unit, figures, n, ...runs] = g;
		const samples = [];
		let line = 0;
		for (const [round, before, after, disturbed, flat] of runs)
			for (let i = 0; i < flat.length; i += 3) {
				line += flat[i];
				samples.push({ line, round, rep: flat[i + 1], value: flat[i + 2], before, after, disturbed });
			}
		return { file: data.file[modelled], suite, workload, variant, engine, origin, metric, kind, mechanism, unit, figures, n, samples };
	}

	const show = (v) => v === null ? "–" : Math.abs(v) >= 1e15 || (v && Math.abs(v) < 1e-3) ? v.toExponential(4) : Number(v.toPrecision(10)).toLocaleString("en-US", { maximumFractionDigits: 9 });

	function figuresList(g) {
		const [median, low, high, p99, min, max, quiet] = g.figures;
		const list = make("dl");
		const add = (name, value) => list.append(make("div", {}, make("dt", {}, name), make("dd", {}, value)));
		add("median", show(median));
		if (g.n > 1) {
			add("95 % interval", show(low) + " – " + show(high));
			add("p99", show(p99));
			add("least – most", show(min) + " – " + show(max));
		}
		add("samples", String(g.n));
		if (g.samples.some((s) => s.disturbed === 1))
			add("median, undisturbed", show(quiet));
		return list;
	}

	/* Each sample a dot, in the order of the file; the median a line. */
	function strip(g) {
		const width = 640, height = 150, top = 8, bottom = height - 18, v = g.samples.map((s) => s.value);
		let low = Math.min(...v), high = Math.max(...v);
		if (!(high > low)) {
			low -= Math.abs(low) * .05 || 1;
			high += Math.abs(high) * .05 || 1;
		}
		const y = (value) => bottom - (value - low) / (high - low) * (bottom - top);
		const x = (i) => v.length > 1 ? 8 + i / (v.length - 1) * (width - 16) : width / 2;
		const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "the samples in their order", preserveAspectRatio: "none" });
		svg.append(make("line", { class: "axis", x1: 0, x2: width, y1: bottom, y2: bottom }), make("line", { class: "axis", x1: 0, x2: width, y1: top, y2: top }),
			make("line", { class: "middle", x1: 0, x2: width, y1: y(g.figures[0]), y2: y(g.figures[0]) }));
		g.samples.forEach((s, i) => svg.append(make("circle", { class: s.disturbed === 1 ? "dot bad" : "dot", cx: x(i), cy: y(s.value), r: v.length > 300 ? 1.5 : 3 },
			make("title", {}, `line ${s.line}, round ${s.round}: ${show(s.value)}`))));
		svg.append(make("text", { x: 0, y: height - 4 }, `${show(low)} to ${show(high)} ${g.unit}; dashed: the median${g.samples.some((s) => s.disturbed === 1) ? "; red: disturbed" : ""}`));
		return svg;
	}

	function samplesTable(g) {
		const body = make("tbody"), names = ["line", "round", "rep", "value", "calib before", "calib after", "disturbed"];
		const table = make("table", { class: "samples" }, make("thead", {}, make("tr", {}, ...names.map((n) => make("th", { scope: "col" }, n)))), body);
		const more = (from, to) => body.append(...g.samples.slice(from, to).map((s) => make("tr", s.disturbed === 1 ? { class: "bad" } : {},
			...[s.line, s.round, s.rep].map((n) => make("td", {}, String(n))), make("td", { "data-v": String(s.value) }, show(s.value)),
			make("td", {}, show(s.before)), make("td", {}, show(s.after)), make("td", {}, s.disturbed < 0 ? "–" : s.disturbed ? "yes" : "no"))));
		const parts = [table];
		more(0, rowsAtOnce);
		if (g.samples.length > rowsAtOnce) {
			const button = make("button", { type: "button" }, `all ${g.samples.length} rows`);
			button.addEventListener("click", () => {
				more(rowsAtOnce, g.samples.length);
				button.remove();
			});
			parts.push(button);
		}
		if (g.samples.length < g.n)
			parts.push(make("p", { class: "notice" }, `The page has room for the first ${g.samples.length} of ${g.n} rows; ${g.file} has them all.`));
		return parts;
	}

	function groupParts(data, g, first) {
		const title = [g.workload, g.variant, g.kind && `${g.kind} (${g.mechanism})`].filter(Boolean).join(" · ");
		const head = make("h2", first ? { id: "raw-title" } : {}, title);
		const what = make("p", { class: "what" }, [g.engine, g.suite, g.metric === g.unit ? g.unit : `${g.metric} in ${g.unit}`, `${data.name}/${g.file}`].join(" · "));
		if (g.origin !== "measured")
			what.append(" ", make("span", { class: "badge " + (g.origin === "modelled" ? "modelled" : "nested") }, g.origin));
		return [head, what, figuresList(g), ...(g.samples.length ? [strip(g)] : []), ...samplesTable(g)];
	}

	const dialog = document.getElementById("raw");

	/* Opens what the address names, "#r0.12+13", or closes the panel. */
	function follow() {
		const match = /^#r(\d+)\.([\d+]+)$/.exec(location.hash), data = match && machine(Number(match[1]));
		const groups = data ? match[2].split("+").map((no) => unpack(data, Number(no))).filter(Boolean) : [];
		if (!groups.length) {
			if (dialog.open)
				dialog.close();
			return;
		}
		const close = make("button", { type: "button", class: "close", autofocus: "" }, "Close");
		close.addEventListener("click", () => dialog.close());
		dialog.replaceChildren(close, ...groups.flatMap((g, i) => groupParts(data, g, !i)));
		if (!dialog.open)
			dialog.showModal();
		dialog.scrollTop = 0;
	}

	let place = 0;
	document.addEventListener("click", (event) => {
		if (event.target.closest("a[href^='#r']"))
			place = scrollY;
		if (event.target === dialog) /* beside it */
			dialog.close();
	});
	dialog.addEventListener("close", () => {
		if (location.hash.startsWith("#r")) {
			history.replaceState(null, "", location.pathname + location.search);
			scrollTo({ top: place, behavior: "instant" });
		}
	});
	addEventListener("hashchange", follow);

	tablesSort();
	filterMake();
	headsPlace();
	addEventListener("resize", headsPlace);
	document.addEventListener("toggle", headsPlace, true);
	follow();
})();
