package client_test

import (
	"context"
	"fmt"
	"os"

	"indelible"
	"indelible/client"
)

func Example() {
	s := newExampleServer()
	defer s.Close()
	os.Setenv("INDELIBLE_URL", s.URL)
	os.Setenv("INDELIBLE_KEY", "ind_key")

	c, err := client.New(client.Config{URL: os.Getenv("INDELIBLE_URL"), Key: os.Getenv("INDELIBLE_KEY")})
	if err != nil {
		panic(err)
	}
	err = c.Record(context.Background(), indelible.Event{
		TenantID: "acme", UserID: "maria", EventType: "data_access",
		Action: "read", ResourceType: "file", ResourceID: "7", Outcome: "success",
	})
	fmt.Println(err, c.Close(context.Background()))
	// Output: <nil> <nil>
}
