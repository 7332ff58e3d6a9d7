/*
 * cache.h - the block cache: pages of the disk in memory, with which sectors of each are valid and which are dirty.
 *
 * A page holds eight sectors that lie aligned on the disk, whatever the block size of the file system above: a miss is
 * one request of 4 KiB. Sectors that are written whole are never read first. What is dirty goes to the disk when it is
 * asked to (cache_sync), when much is dirty, and when the page is needed for another part of the disk.
 *
 * No function sleeps, as long as the disk's driver does not.
 */
#pragma once
#include "fs.h"

#define SECTOR 512u
#define CHUNK_SECTORS (PAGE / SECTOR)
#define CACHE_HASH 128u

struct cache_page {
	struct list lru, hash;
	uint32_t chunk;  /* the first sector / CHUNK_SECTORS */
	uint8_t valid, dirty; /* a bit for each sector */
	uint16_t pins;   /* users at this moment: neither evicted nor dropped */
	uint8_t *data;
};

struct cache {
	struct disk *disk;
	uint32_t pages, max_pages, dirty_pages;
	struct list lru; /* the oldest first */
	struct list hash[CACHE_HASH];
	struct { uint32_t hits, misses, reads, writes; } stats; /* reads and writes: requests */
};

int cache_init(struct cache *c, struct disk *d, uint32_t max_pages);
/*
 * The page that holds count sectors from sector on, which must not cross a chunk. It is pinned until cache_put. read:
 * those sectors are brought in, else the caller is about to write all of them. 0, -LEIO, -LENOMEM.
 */
int cache_get(struct cache *c, uint32_t sector, uint32_t count, bool read, struct cache_page **out);
void cache_put(struct cache_page *p);
/* These sectors of a pinned page have been written. */
void cache_dirty(struct cache *c, struct cache_page *p, uint32_t sector, uint32_t count);
/* Brings in the chunks that hold these sectors, many requests at once; what fails here is found out by cache_get. */
void cache_fetch(struct cache *c, const uint32_t *sectors, unsigned n);
int cache_sync(struct cache *c);  /* 0, or -LEIO: what could not be written stays dirty */
void cache_drop(struct cache *c); /* gives back what is neither pinned nor dirty */
