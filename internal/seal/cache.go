package seal

// cache keeps what was used last, in two generations: when the young one is
// full it becomes the old one, and what the old one held is forgotten.
type cache[K comparable, V any] struct {
	limit      int
	young, old map[K]V
}

func newCache[K comparable, V any](limit int) cache[K, V] {
	return cache[K, V]{limit: limit, young: make(map[K]V)}
}

func (c *cache[K, V]) get(key K) (v V, ok bool) {
	if v, ok = c.young[key]; ok {
		return v, true
	}
	if v, ok = c.old[key]; ok {
		c.put(key, v)
	}
	return v, ok
}

func (c *cache[K, V]) put(key K, v V) {
	if len(c.young) >= c.limit {
		c.old, c.young = c.young, make(map[K]V, c.limit/4)
	}
	c.young[key] = v
}

// clear forgets everything.
func (c *cache[K, V]) clear() { c.young, c.old = make(map[K]V), nil }
