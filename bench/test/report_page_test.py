#!/usr/bin/env python3
"""report_page_test.py - the page of `ringlab report` in headless Chromium: it renders without a complaint, asks nobody for anything, its
tables sort, its filter hides, and its figures open the rows that raw.csv has. Leaves pictures of it as artefacts.

usage: report_page_test.py RINGLAB ARTEFACTS     exit status 77: skipped, with the reason
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
import report_fixture as fixture  # noqa: E402
from browser import Browser, Page  # noqa: E402

RINGLAB, ARTEFACTS = "", ""


def report(output, *dirs):
    subprocess.run([RINGLAB, "report", "-o", output] + list(dirs), check=True, timeout=120)


class Report(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="ringlab-report-")
        cls.addClassCleanup(shutil.rmtree, cls.dir, True)
        cls.a, cls.b = cls.dir + "/2026-01-31-epyc-0123abcd", cls.dir + "/2026-01-31-xeon-0123abcd"
        cls.rows = fixture.make(cls.a)
        fixture.make(cls.b, speed=1.3, complete=False, cpu="Intel Xeon Gold 6240 (Cascade Lake)", seed=2)
        cls.one, cls.two = cls.dir + "/one.html", cls.dir + "/two.html"
        report(cls.one, cls.a)
        report(cls.two, cls.a, cls.b)
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)
        cls.page = Page(cls.browser)

    def setUp(self):
        self.page.complaints.clear()
        self.page.requests.clear()
        self.page.media("light")
        self.page.size(1400, 1000)

    def tearDown(self):
        self.page.run("new Promise(requestAnimationFrame)")
        self.assertEqual(self.page.complaints, [])
        others = [r for r in self.page.requests if not r.startswith(("file://" + self.dir, "data:image/svg+xml"))]
        self.assertEqual(others, [], "requests that a page of its own must not make")

    def column(self, head):
        """What the first table's cells hold in the column with that head, in the order on the page."""
        return self.page.run("""(() => { const t = document.querySelector('table.data');
            const i = [...t.tHead.rows[0].cells].findIndex((c) => c.textContent.trim() === %r);
            return [...t.tBodies[0].rows].map((r) => r.cells[i].dataset.v ? Number(r.cells[i].dataset.v) : r.cells[i].textContent); })()""" % head)

    def click(self, head):
        self.page.run("[...document.querySelectorAll('table.data thead button')].find((b) => b.textContent.trim() === %r).click()" % head)

    def sort_state(self, head):
        return self.page.run("[...document.querySelectorAll('table.data thead th')].find((b) => b.textContent.trim() === %r)"
                             ".getAttribute('aria-sort')" % head)

    def test_renders_and_names_stay_text(self):
        self.page.open("file://" + self.one)
        self.assertEqual(self.page.run("document.title"), "Ringlab: " + os.path.basename(self.a))
        self.assertEqual(self.page.run("document.querySelectorAll('img[src=\"x\"], main script').length"), 0)
        self.assertIn(fixture.HOSTILE, self.column("workload"))
        self.assertEqual(self.page.run("[...document.images].filter((i) => !(i.complete && i.naturalWidth)).length"), 0, "plots that do not show")
        self.assertGreaterEqual(self.page.run("document.images.length"), 3)
        self.assertIn("<b>kvm_pvm</b>", self.page.run("document.getElementById('missing').textContent"))
        self.assertEqual(self.page.run("document.querySelectorAll('table.data:not(.modelled) td a[href^=\"#r\"]').length"
                                       " + document.querySelectorAll('table.modelled td a').length"),
                         self.page.run("document.querySelectorAll('.suite td[data-v]:not(.ratio)').length"), "a figure that leads nowhere")

    def test_tables_sort(self):
        self.page.open("file://" + self.one)
        before = self.column("native")
        self.assertNotEqual(before, sorted(before))
        self.click("native")
        self.assertEqual(self.column("native"), sorted(before))
        self.assertEqual(self.sort_state("native"), "ascending")
        self.click("native")
        self.assertEqual(self.column("native"), sorted(before, reverse=True))
        self.assertEqual(self.sort_state("native"), "descending")
        self.click("native")
        self.assertEqual(self.column("native"), before)
        self.click("workload")
        names = self.column("workload")
        self.assertEqual(names[:3], [fixture.HOSTILE, "call-ret", "cli-sti"])
        self.assertEqual(self.sort_state("native"), "none")

    def test_sorts_by_keyboard_and_empty_cells_stay_last(self):
        self.page.open("file://" + self.one)
        self.page.run("[...document.querySelectorAll('table.data thead button')].find((b) => b.textContent === 'pv-trap').focus()")
        for _ in range(2):
            self.page.key("Enter", 13)
            values = self.column("pv-trap")
            self.assertEqual(values[-1], "", "the cell without a figure")
            self.assertEqual(len(values), 10)
        self.assertEqual(values[:-1], sorted(values[:-1], reverse=True))

    def raw_panel(self):
        return self.page.run("""[...document.querySelectorAll('dialog[open] table.samples tbody tr')].map((r) => [Number(r.cells[0].textContent),
            Number(r.cells[1].textContent), Number(r.cells[2].textContent), Number(r.cells[3].dataset.v), r.cells[6].textContent])""")

    def test_a_figure_opens_its_raw_rows(self):
        self.page.open("file://" + self.one)
        for name in ("page-fault", fixture.HOSTILE):
            self.page.run("""[...document.querySelector('table.data').tBodies[0].rows].find((r) => r.cells[0].textContent === %s)
                .cells[2].querySelector('a').click()""" % fixture.json.dumps(name))
            self.page.run("new Promise((r) => setTimeout(r, 100))")
            want = [[r[0], r[10], r[11], float(r[12]), "yes" if r[15] else "no"] for r in self.rows
                    if r[1] == "nano" and r[2] == name and r[4] == "bt" and r[6] == "cycles"]
            self.assertEqual(self.raw_panel(), want)
            self.assertEqual(self.page.run("document.getElementById('raw-title').textContent"), name)
            self.page.key("Escape", 27)
            self.page.run("new Promise((r) => setTimeout(r, 100))")
            self.assertEqual(self.raw_panel(), [])

    def test_sums_open_all_their_groups(self):
        self.page.open("file://" + self.one)
        self.page.run("document.querySelector('td a[href*=\"+\"]').click()")
        self.page.run("new Promise((r) => setTimeout(r, 100))")
        parts = [r[3] for r in self.raw_panel()]
        self.assertGreater(len(parts), 1)
        self.assertAlmostEqual(sum(parts), self.page.run("Number(document.querySelector('td:has(a[href*=\"+\"])').dataset.v)"))

    def test_filter(self):
        self.page.open("file://" + self.one)
        seen = "[...document.querySelectorAll('.suite td[data-e=\"%s\"]')].filter((e) => e.offsetParent).length"
        self.assertGreater(self.page.run(seen % "bt"), 10)
        self.page.run("[...document.querySelectorAll('#filter button')].find((b) => b.textContent === 'bt').click()")
        self.assertEqual(self.page.run(seen % "bt"), 0)
        self.assertGreater(self.page.run(seen % "native"), 10)
        self.page.run("[...document.querySelectorAll('#filter button')].find((b) => b.textContent === 'compute').click()")
        self.assertEqual(self.page.run("[...document.querySelectorAll('section[data-s=\"compute\"]')].filter((e) => e.offsetParent).length"), 0)
        self.page.run("{ const i = document.querySelector('#filter input'); i.value = 'Page-Fault'; i.dispatchEvent(new Event('input')); }")
        self.assertEqual(self.page.run("[...document.querySelector('table.data').tBodies[0].rows].filter((r) => r.offsetParent).length"), 1)

    def test_modelled_figures_are_marked_and_apart(self):
        self.page.open("file://" + self.one)
        self.assertEqual(self.page.run("document.querySelectorAll('section.suite:not(.modelled) table.modelled').length"), 0)
        cells = self.page.run("[...document.querySelectorAll('table.modelled td[data-v]')].map((c) => c.textContent)")
        self.assertEqual(len(cells), 15)
        self.assertTrue(all(c.startswith("≈") for c in cells))
        self.assertGreaterEqual(self.page.run("document.querySelectorAll('section.modelled .badge.modelled').length"), 2)

    def test_a_wrong_answer_is_marked(self):
        self.page.open("file://" + self.one)
        marks = self.page.run("[...document.querySelectorAll('td[data-e] sup')].filter((m) => m.textContent.includes('w'))"
                              ".map((m) => m.closest('tr').cells[0].textContent + ' ' + m.closest('td').dataset.e)")
        self.assertEqual(set(marks), {"pushf-popf pv-trap"})

    def test_bars_are_judged(self):
        self.page.open("file://" + self.one)
        rows = self.page.run("[...document.querySelectorAll('#bars tbody tr')].map((r) => [...r.cells].map((c) => c.textContent))")
        verdict = {(r[1], r[2], r[4]): r[-1] for r in rows}
        self.assertEqual(verdict["cli-sti", "bt", ""], "not met")
        self.assertEqual(verdict["syscall-int", "bt", "qemu-tcg"], "met")
        self.page.open("file://" + self.two)
        keys = self.page.run("[...document.querySelectorAll('#bars tbody tr')].map((r) => r.cells[0].textContent)")
        self.assertEqual(set(keys), {"A", "B"})

    def test_machines_side_by_side(self):
        self.page.open("file://" + self.two)
        heads = self.page.run("[...document.querySelector('table.data').tHead.rows[0].cells].map((c) => c.textContent)")
        self.assertEqual(heads, ["workload", "engine", "A", "B", "B∕A"])
        a, b, ratio = self.column("A"), self.column("B"), self.column("B∕A")
        self.assertEqual(len(a), 49)
        for x, y, r in zip(a, b, ratio):
            self.assertAlmostEqual(y / x, r, places=6)
        self.assertIn("ended before all was measured", self.page.run("document.getElementById('machines').textContent"))

    def test_without_its_script_the_tables_are_there(self):
        self.page.call("Emulation.setScriptExecutionDisabled", value=True)
        try:
            self.page.open("file://" + self.one)
            self.assertGreater(self.page.run("[...document.querySelectorAll('td[data-v]')].filter((e) => e.offsetParent).length"), 100)
            self.assertEqual(self.page.run("document.querySelectorAll('th button').length"), 0)
        finally:
            self.page.call("Emulation.setScriptExecutionDisabled", value=False)

    def test_pictures(self):
        for name, path, width, scheme in (("report", self.one, 1400, "light"), ("report-two", self.two, 1400, "light"),
                                          ("report-dark", self.one, 1400, "dark"), ("report-narrow", self.one, 420, "light")):
            self.page.media(scheme)
            self.page.size(width, 1000)
            self.page.open("file://" + path)
            self.assertLessEqual(self.page.run("document.documentElement.scrollWidth"), width, "the page is wider than its window")
            self.page.picture("%s/%s.png" % (ARTEFACTS, name))
            self.assertGreater(os.path.getsize("%s/%s.png" % (ARTEFACTS, name)), 20000)


if __name__ == "__main__":
    RINGLAB, ARTEFACTS = sys.argv[1:3]
    if not shutil.which("chromium"):
        print("SKIPPED: Chromium is not installed (Debian's package chromium): nobody has looked at the report")
        sys.exit(77)
    os.makedirs(ARTEFACTS, exist_ok=True)
    unittest.main(argv=sys.argv[:1], verbosity=2)
