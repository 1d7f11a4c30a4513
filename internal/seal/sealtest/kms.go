package sealtest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// KMS speaks the JSON protocol of AWS KMS for the calls the driver makes, with
// the service's own error codes, and checks the signature of every request.
type KMS struct {
	URL       string
	AccessKey string
	SecretKey string
	Region    string

	mu      sync.Mutex
	keys    map[string]*heldKey
	failure string // code every call answers with, if not empty
	status  int
	calls   []string
}

// heldKey is a key as a service holds it.
type heldKey struct {
	versions [][]byte // material, oldest first
	created  time.Time
	state    string
}

// StartKMS starts a server that ends with the test.
func StartKMS(t testing.TB) *KMS {
	k := &KMS{AccessKey: "AKIATESTTESTTESTTEST", SecretKey: "a secret of the test", Region: "eu-test-1", keys: make(map[string]*heldKey)}
	s := httptest.NewServer(http.HandlerFunc(k.serve))
	t.Cleanup(s.Close)
	k.URL = s.URL
	return k
}

// NewKey makes a key and returns its ARN.
func (k *KMS) NewKey() string {
	var id [8]byte
	rand.Read(id[:])
	arn := fmt.Sprintf("arn:aws:kms:%s:111122223333:key/%x", k.Region, id)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys[arn] = &heldKey{versions: [][]byte{material()}, created: time.Now(), state: "Enabled"}
	return arn
}

// Fail makes every call answer with an HTTP status and an error code until Fail(0, "").
func (k *KMS) Fail(status int, code string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.status, k.failure = status, code
}

// Calls are the calls that were answered so far.
func (k *KMS) Calls() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.calls)
}

func material() []byte {
	b := make([]byte, 32)
	rand.Read(b)
	return b
}

type kmsError struct {
	status int
	code   string
}

func (k *KMS) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	var answer any
	bad := &kmsError{http.StatusBadRequest, "SerializationException"}
	if err == nil {
		answer, bad = k.answer(r, body)
	}
	if bad != nil {
		w.Header().Set("X-Amzn-ErrorType", bad.code)
		w.WriteHeader(bad.status)
		answer = map[string]string{"__type": bad.code, "message": "told by the test server"}
	}
	if answer == nil {
		return // DisableKey and its like answer with nothing
	}
	json.NewEncoder(w).Encode(answer)
}

func (k *KMS) answer(r *http.Request, body []byte) (any, *kmsError) {
	k.mu.Lock()
	defer k.mu.Unlock()
	target, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "TrentService.")
	if !ok || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-amz-json-1.1" {
		return nil, &kmsError{http.StatusBadRequest, "UnknownOperationException"}
	}
	k.calls = append(k.calls, target)
	if bad := k.checkSignature(r, body); bad != "" {
		return nil, &kmsError{http.StatusForbidden, bad}
	}
	if k.failure != "" {
		return nil, &kmsError{k.status, k.failure}
	}
	var in struct {
		KeyID               string `json:"KeyId"`
		Plaintext           []byte
		CiphertextBlob      []byte
		EncryptionContext   map[string]string
		PendingWindowInDays int
	}
	if json.Unmarshal(body, &in) != nil {
		return nil, &kmsError{http.StatusBadRequest, "SerializationException"}
	}
	key := k.keys[in.KeyID]
	if key == nil {
		return nil, &kmsError{http.StatusBadRequest, "NotFoundException"}
	}
	if target != "DescribeKey" && key.state != "Enabled" {
		return nil, &kmsError{http.StatusBadRequest, "KMSInvalidStateException"}
	}
	return k.call(target, in.KeyID, key, in.Plaintext, in.CiphertextBlob, in.EncryptionContext, in.PendingWindowInDays)
}

func (k *KMS) call(target, id string, key *heldKey, plain, blob []byte, ec map[string]string, days int) (any, *kmsError) {
	switch target {
	case "Encrypt":
		if len(plain) == 0 || len(plain) > 4096 {
			return nil, &kmsError{http.StatusBadRequest, "ValidationException"}
		}
		n := len(key.versions) - 1
		sealed := sealWith(key.versions[n], plain, contextBytes(ec))
		owner := sha256.Sum256([]byte(id))
		return map[string]any{"KeyId": id, "CiphertextBlob": slices.Concat(owner[:8], []byte{byte(n)}, sealed)}, nil
	case "Decrypt":
		owner := sha256.Sum256([]byte(id))
		if len(blob) < 9 || k.ownerOf(blob) == nil {
			return nil, &kmsError{http.StatusBadRequest, "InvalidCiphertextException"}
		}
		if string(blob[:8]) != string(owner[:8]) {
			return nil, &kmsError{http.StatusBadRequest, "IncorrectKeyException"}
		}
		n := int(blob[8])
		if n >= len(key.versions) {
			return nil, &kmsError{http.StatusBadRequest, "InvalidCiphertextException"}
		}
		plain, err := openWith(key.versions[n], blob[9:], contextBytes(ec))
		if err != nil {
			return nil, &kmsError{http.StatusBadRequest, "InvalidCiphertextException"}
		}
		return map[string]any{"KeyId": id, "Plaintext": plain}, nil
	case "DescribeKey":
		return map[string]any{"KeyMetadata": map[string]any{
			"KeyId": id[strings.LastIndex(id, "/")+1:], "Arn": id, "CreationDate": float64(key.created.UnixMilli()) / 1000,
			"Enabled": key.state == "Enabled", "KeyState": key.state, "KeyUsage": "ENCRYPT_DECRYPT", "KeySpec": "SYMMETRIC_DEFAULT",
		}}, nil
	case "RotateKeyOnDemand":
		key.versions = append(key.versions, material())
		return map[string]any{"KeyId": id}, nil
	case "ScheduleKeyDeletion":
		if days < 7 || days > 30 {
			return nil, &kmsError{http.StatusBadRequest, "ValidationException"}
		}
		key.state = "PendingDeletion"
		return map[string]any{"KeyId": id, "KeyState": key.state, "PendingWindowInDays": days}, nil
	}
	return nil, &kmsError{http.StatusBadRequest, "UnknownOperationException"}
}

func (k *KMS) ownerOf(blob []byte) *heldKey {
	for id, key := range k.keys {
		if sum := sha256.Sum256([]byte(id)); string(sum[:8]) == string(blob[:8]) {
			return key
		}
	}
	return nil
}

// contextBytes are an encryption context as authenticated data: its order does not count.
func contextBytes(ec map[string]string) []byte {
	b, _ := json.Marshal(ec) // sorted by name
	return b
}

// checkSignature computes Signature Version 4 of a request again.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
func (k *KMS) checkSignature(r *http.Request, body []byte) (code string) {
	fields := make(map[string]string)
	scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	for f := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(f), "=")
		fields[name] = value
	}
	date := r.Header.Get("X-Amz-Date")
	if scheme != "AWS4-HMAC-SHA256" || len(date) < 8 {
		return "MissingAuthenticationTokenException"
	}
	scope := strings.Join([]string{date[:8], k.Region, "kms", "aws4_request"}, "/")
	if fields["Credential"] != k.AccessKey+"/"+scope {
		return "UnrecognizedClientException"
	}
	var headers strings.Builder
	for name := range strings.SplitSeq(fields["SignedHeaders"], ";") {
		value := r.Header.Get(name)
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(r.ContentLength)
		}
		fmt.Fprintf(&headers, "%s:%s\n", name, strings.TrimSpace(value))
	}
	sum := sha256.Sum256(body)
	request := strings.Join([]string{r.Method, "/", "", headers.String(), fields["SignedHeaders"], hex.EncodeToString(sum[:])}, "\n")
	sum = sha256.Sum256([]byte(request))
	key := []byte("AWS4" + k.SecretKey)
	for part := range strings.SplitSeq(scope, "/") {
		key = mac(key, part)
	}
	want := hex.EncodeToString(mac(key, "AWS4-HMAC-SHA256\n"+date+"\n"+scope+"\n"+hex.EncodeToString(sum[:])))
	if !hmac.Equal([]byte(want), []byte(fields["Signature"])) {
		return "InvalidSignatureException"
	}
	return ""
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func encode64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
