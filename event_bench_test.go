package indelible

import "testing"

// benchEvent is 600 bytes with 250 bytes of nested details, as an application
// might send it: members in the order of its own types, not sorted.
const benchEvent = `{"id":"0192c5f0-8d5e-7c3a-9b1f-3a5c7e9d1b2f","timestamp":"2024-10-25T14:03:11.253917+00:00","event_type":"workflow_execution","user_id":"maria.keller@example.org","tenant_id":"tenant456","resource_type":"workflow","resource_id":"wf-48213","action":"execute","outcome":"success","details":{"duration_ms":48213,"steps_completed":12,"success_rate":0.9375,"input":{"dataset":"orders-2024-10","rows":120000,"filters":["region=eu","status!=void"]},"engine":{"version":"4.2.1","pool":"standard","retries":0,"cost":1.25},"tags":["nightly","billing"],"dry_run":false,"parent":null},"source_ip":"192.0.2.119","user_agent":"workflow-client/2.3.1"}`

func BenchmarkParseAndHash(b *testing.B) {
	data := []byte(benchEvent)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		e, err := ParseEvent(data)
		if err != nil {
			b.Fatal(err)
		}
		e.AuditHash()
	}
}

func BenchmarkParseEvent(b *testing.B) {
	data := []byte(benchEvent)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseEvent(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	e, err := ParseEvent([]byte(benchEvent))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := e.Validate(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAuditHash(b *testing.B) {
	e, err := ParseEvent([]byte(benchEvent))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		e.AuditHash()
	}
}

func BenchmarkAppendCanonical(b *testing.B) {
	e, err := ParseEvent([]byte(benchEvent))
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		e.AppendCanonical(buf)
	}
}
