/* report_assets.S - the page's style and script, as they are in report.css and report.js. Used by report.c. */
	.section .rodata
	.global report_css, report_css_end, report_js, report_js_end
report_css:
	.incbin "report.css"
report_css_end:
	.byte 0
report_js:
	.incbin "report.js"
report_js_end:
	.byte 0
	.section .note.GNU-stack, "", @progbits
