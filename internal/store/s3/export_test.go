package s3

// Arrived waits until the part on its way has arrived.
func (u *Upload) Arrived() error { return u.arrived() }
