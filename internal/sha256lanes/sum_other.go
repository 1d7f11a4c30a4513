//go:build purego || !amd64

package sha256lanes

const haveLanes = false

func sixteen(*[lanes][Size]byte, *[lanes]*byte, *[lanes]uint32, int, int) {
	panic("sha256lanes: not on this processor")
}
