/*
 * median.h - the median of a demonstration's times. Sorts them.
 */
#pragma once
#include <stdint.h>

static uint32_t median(uint32_t *s, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++)
		for (uint32_t j = i; j && s[j] < s[j - 1]; j--) {
			uint32_t t = s[j];
			s[j] = s[j - 1];
			s[j - 1] = t;
		}
	return n ? s[n / 2] : 0;
}
