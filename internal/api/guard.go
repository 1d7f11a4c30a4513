package api

import (
	"crypto/rand"
	"encoding/hex"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

// Limits of the HTTP server itself.
const (
	headerTimeout  = 5 * time.Second
	bodyTimeout    = 60 * time.Second
	answerTimeout  = 90 * time.Second
	idleTimeout    = 60 * time.Second
	maxHeaderBytes = 64 << 10
	maxURL         = 16 << 10
	// MaxConnections is how many connections are open at once, where there are files enough.
	MaxConnections = 16_384
	maxStreams     = 64 // requests at once on one connection of HTTP/2
)

// HTTP is the server around the handler, with all its limits.
func (s *Server) HTTP() *http.Server {
	web := &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, WriteTimeout: answerTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes, ErrorLog: nil,
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
	}
	web.RegisterOnShutdown(s.endStreams)
	return web
}

// guard is what holds for every request.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		var id [8]byte
		rand.Read(id[:])
		request := hex.EncodeToString(id[:])
		h.Set("X-Request-Id", request)
		counted := &counting{ResponseWriter: w, code: http.StatusOK}
		begun := time.Now()
		defer func() {
			what := recover()
			if what != nil && what != http.ErrAbortHandler {
				// The stack says where, and nothing of what was sent.
				s.cfg.Log.Error("a request failed unexpectedly", "request", request, "stack", string(debug.Stack()))
				if !counted.begun {
					problem(http.StatusInternalServerError, "internal", "").write(counted)
					what = nil
				}
			}
			s.metrics.request(routeOf(r), counted.code, time.Since(begun))
			if what != nil {
				panic(http.ErrAbortHandler) // or half an answer would seem to be whole
			}
		}()
		if bad := badPath(r); bad != "" {
			problem(http.StatusBadRequest, "bad_path", bad).write(counted)
			return
		}
		r = r.WithContext(withRequest(r.Context(), request))
		// The mux answers in plain text what it does not know.
		if _, pattern := s.mux.Handler(r); pattern == "" {
			if s.otherMethod(r) {
				problem(http.StatusMethodNotAllowed, "method", "").write(counted)
			} else {
				s.unknown(counted, r)
			}
			return
		}
		next.ServeHTTP(counted, r)
	})
}

// unknown answers for what is not there: to nobody that they are nobody.
func (s *Server) unknown(w http.ResponseWriter, r *http.Request) {
	if _, p := s.authenticate(r); p != nil {
		p.write(w)
		return
	}
	problem(http.StatusNotFound, "not_found", "no such path").write(w)
}

// otherMethod reports whether the path is there for another method.
func (s *Server) otherMethod(r *http.Request) bool {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := s.mux.Handler(other); pattern != "" {
			return true
		}
	}
	return false
}

// badPath says what is wrong with a path, or nothing. What a proxy in front could
// read as another path is refused, never put right.
func badPath(r *http.Request) string {
	if len(r.RequestURI) > maxURL {
		return "it is too long"
	}
	for _, path := range []string{r.URL.Path, r.URL.EscapedPath()} {
		if !strings.HasPrefix(path, "/") {
			return "it does not begin with a slash"
		}
		for _, step := range strings.Split(path[1:], "/") {
			switch strings.ToLower(step) {
			case "":
				if path != "/" {
					return "it has an empty segment"
				}
			case ".", "..", "%2e", "%2e%2e", ".%2e", "%2e.":
				return "it has a dot segment"
			}
		}
	}
	if strings.ContainsFunc(r.URL.Path, func(c rune) bool { return c < ' ' || c == 0x7f || c == '\\' }) {
		return "it has characters that paths do not have"
	}
	if strings.Contains(strings.ToLower(r.URL.EscapedPath()), "%2f") {
		return "it has an escaped slash"
	}
	return ""
}

// counting notes how a request was answered.
type counting struct {
	http.ResponseWriter
	code  int
	begun bool
}

func (c *counting) WriteHeader(code int) {
	c.code, c.begun = code, true
	c.ResponseWriter.WriteHeader(code)
}

func (c *counting) Write(b []byte) (int, error) {
	c.begun = true
	return c.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (c *counting) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// sourceIP is the address a request came from.
func sourceIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}

// Limit is a listener that has at most n connections open at once; who comes
// then waits to be accepted.
func Limit(l net.Listener, n int) net.Listener {
	return &limited{l, make(chan struct{}, n)}
}

type limited struct {
	net.Listener
	room chan struct{}
}

func (l *limited) Accept() (net.Conn, error) {
	l.room <- struct{}{}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.room
		return nil, err
	}
	return &limitedConn{Conn: c, room: l.room}, nil
}

type limitedConn struct {
	net.Conn
	room chan struct{}
	once sync.Once
}

func (c *limitedConn) Close() error {
	c.once.Do(func() { <-c.room })
	return c.Conn.Close()
}
