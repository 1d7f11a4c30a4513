package s3test

import "sync"

// tail keeps the last bytes a program printed, to be shown when it fails.
type tail struct {
	mu   sync.Mutex
	data []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p...)
	if drop := len(t.data) - 4096; drop > 0 {
		t.data = t.data[drop:]
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.data)
}
