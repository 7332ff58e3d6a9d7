/*
 * cache.c - the block cache (cache.h). Called by ext2_*.c only.
 */
#include "cache.h"

#define BATCH 16u /* requests at once */

int cache_init(struct cache *c, struct disk *d, uint32_t max_pages)
{
	*c = (struct cache){ .disk = d, .max_pages = max_pages };
	list_init(&c->lru);
	for (unsigned i = 0; i < CACHE_HASH; i++)
		list_init(&c->hash[i]);
	return 0;
}

static uint8_t sector_bits(uint32_t sector, uint32_t count)
{
	return ((1u << count) - 1) << sector % CHUNK_SECTORS;
}

/* ---- requests ---- */

struct batch {
	struct cache *c;
	struct disk_req req[BATCH];
	struct cache_page *page[BATCH];
	unsigned n;
	int err;
};

static uint8_t req_bits(const struct disk_req *r)
{
	return sector_bits(r->sector, r->count);
}

static void batch_run(struct batch *b)
{
	struct cache *c = b->c;

	if (b->n && c->disk->submit(c->disk, b->req, b->n))
		b->err = -LEIO;
	for (unsigned i = 0; i < b->n; i++) {
		struct disk_req *r = &b->req[i];
		struct cache_page *p = b->page[i];

		if (r->status)
			continue;
		if (!r->write) {
			p->valid |= req_bits(r);
			continue;
		}
		p->dirty &= ~req_bits(r);
		if (!p->dirty)
			c->dirty_pages--;
	}
	b->n = 0;
}

/* A request for each run of sectors among bits. */
static void batch_add(struct batch *b, struct cache_page *p, uint8_t bits, bool write)
{
	uint32_t first = p->chunk * CHUNK_SECTORS;

	for (unsigned i = 0, n; i < CHUNK_SECTORS; i += n) {
		n = 1;
		if (!(bits >> i & 1))
			continue;
		while (i + n < CHUNK_SECTORS && bits >> (i + n) & 1)
			n++;
		if (b->n == BATCH)
			batch_run(b);
		b->page[b->n] = p;
		b->req[b->n++] = (struct disk_req){ .sector = first + i, .count = n, .data = p->data + i * SECTOR, .write = write, .status = -1 };
		if (write)
			b->c->stats.writes++;
		else
			b->c->stats.reads++;
	}
}

int cache_sync(struct cache *c)
{
	struct batch b = { .c = c };

	list_each(at, &c->lru) {
		struct cache_page *p = list_of(at, struct cache_page, lru);

		if (p->dirty)
			batch_add(&b, p, p->dirty, true);
	}
	batch_run(&b);
	if (c->disk->flush && c->disk->flush(c->disk))
		b.err = -LEIO;
	return b.err;
}

/* ---- pages ---- */

static void page_free(struct cache *c, struct cache_page *p)
{
	list_remove(&p->lru);
	list_remove(&p->hash);
	page_put(p->data);
	kfree(p);
	c->pages--;
}

void cache_drop(struct cache *c)
{
	for (struct list *at = c->lru.next, *next; at != &c->lru; at = next) {
		struct cache_page *p = list_of(at, struct cache_page, lru);

		next = at->next;
		if (!p->pins && !p->dirty)
			page_free(c, p);
	}
}

/* Takes the oldest page that nobody uses out of the table; NULL: there is none. */
static struct cache_page *evict(struct cache *c)
{
	for (int pass = 0; pass < 2; pass++) {
		list_each(at, &c->lru) {
			struct cache_page *p = list_of(at, struct cache_page, lru);

			if (p->pins || p->dirty)
				continue;
			list_remove(&p->lru);
			list_remove(&p->hash);
			return p;
		}
		if (cache_sync(c))
			return NULL;
	}
	return NULL;
}

static struct cache_page *page_make(struct cache *c)
{
	struct cache_page *p = NULL;

	if (c->pages < c->max_pages)
		p = kmalloc(sizeof(*p));
	if (p) {
		p->data = page_alloc(0);
		if (p->data) {
			c->pages++;
			return p;
		}
		kfree(p);
	}
	return evict(c);
}

static struct cache_page *find(struct cache *c, uint32_t chunk)
{
	list_each(at, &c->hash[chunk % CACHE_HASH]) {
		struct cache_page *p = list_of(at, struct cache_page, hash);

		if (p->chunk == chunk)
			return p;
	}
	return NULL;
}

static struct cache_page *find_or_make(struct cache *c, uint32_t chunk)
{
	struct cache_page *p = find(c, chunk);

	if (p) {
		list_remove(&p->lru);
	} else {
		p = page_make(c);
		if (!p)
			return NULL;
		p->chunk = chunk;
		p->valid = p->dirty = 0;
		p->pins = 0;
		list_append(&c->hash[chunk % CACHE_HASH], &p->hash);
	}
	list_append(&c->lru, &p->lru);
	return p;
}

/* The sectors of a chunk that are on the disk: the last one may be short. */
static uint8_t bits_on_disk(const struct cache *c, uint32_t chunk)
{
	uint32_t left = c->disk->sectors - chunk * CHUNK_SECTORS;

	return left >= CHUNK_SECTORS ? 0xff : sector_bits(0, left);
}

int cache_get(struct cache *c, uint32_t sector, uint32_t count, bool read, struct cache_page **out)
{
	uint32_t chunk = sector / CHUNK_SECTORS;
	struct cache_page *p;

	assert(count && sector % CHUNK_SECTORS + count <= CHUNK_SECTORS);
	if (sector >= c->disk->sectors || count > c->disk->sectors - sector)
		return -LEIO;
	if (c->dirty_pages > c->max_pages / 2)
		cache_sync(c);
	p = find_or_make(c, chunk);
	if (!p)
		return -LENOMEM;
	p->pins++;
	if (read && (p->valid & sector_bits(sector, count)) != sector_bits(sector, count)) {
		struct batch b = { .c = c };

		c->stats.misses++;
		batch_add(&b, p, bits_on_disk(c, chunk) & ~p->valid, false);
		batch_run(&b);
		if ((p->valid & sector_bits(sector, count)) != sector_bits(sector, count)) {
			cache_put(p);
			return -LEIO;
		}
	} else {
		c->stats.hits++;
	}
	*out = p;
	return 0;
}

void cache_put(struct cache_page *p)
{
	assert(p->pins);
	p->pins--;
}

void cache_dirty(struct cache *c, struct cache_page *p, uint32_t sector, uint32_t count)
{
	assert(p->pins);
	if (!p->dirty)
		c->dirty_pages++;
	p->valid |= sector_bits(sector, count);
	p->dirty |= sector_bits(sector, count);
}

/* One batch: its pages stay pinned until it has run, so that none evicts another. */
static unsigned fetch_some(struct cache *c, const uint32_t *sectors, unsigned n)
{
	struct cache_page *pinned[BATCH];
	struct batch b = { .c = c };
	unsigned pins = 0, i = 0;

	for (; i < n && pins < BATCH; i++) {
		uint32_t chunk = sectors[i] / CHUNK_SECTORS;
		struct cache_page *p;

		if (sectors[i] >= c->disk->sectors || find(c, chunk))
			continue;
		p = find_or_make(c, chunk);
		if (!p)
			break;
		p->pins++;
		pinned[pins++] = p;
		batch_add(&b, p, bits_on_disk(c, chunk), false);
	}
	batch_run(&b);
	for (unsigned k = 0; k < pins; k++)
		cache_put(pinned[k]);
	return i;
}

void cache_fetch(struct cache *c, const uint32_t *sectors, unsigned n)
{
	while (n) {
		unsigned did = fetch_some(c, sectors, n);

		if (!did)
			break;
		sectors += did;
		n -= did;
	}
}
