module indelible

go 1.26
