//go:build !unix

package main

import "indelible/internal/api"

func connections() int { return api.MaxConnections }
