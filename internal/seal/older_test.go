package seal

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// olderPayload is the event of the worked example as it was sealed before, by
// algorithm 1.
const olderPayload = "0000008a494e5048010102006666666666666666666666666666666666666666666666666666666666666666000100100000010c3c0cd656fd2cffcecd45306a302b5dfd6b6b" +
	"9ec55b060d01a0f662a526d058f99999999999999999999999999999999901010000000000bcebaf7211661e0d78ad657122313ca3a23206517440257e1abb17311862cdd3c1" +
	"0000c0c0c0c0c0c0c0c0c0c0c0c0eb18f16b6445555ad19ffe79e8b3a0d263931e27cce9004daf52091eeb73125c4a6562fbf75eae315dc84185d7800351f6b3829fdd9737d0" +
	"c00d190ed3f4c13e714fbc42047df628c97b5e629312fa300ffd239bf09183b32b8e26f05d55336eb687fb46fd17de8a2d8b41c976f0eb572f345871213dca438b2b7cd3ef30" +
	"674bdc1195cb82199c7daf270ac22aaa72a168b1da22e2866c831628b5d4863831a1f4caebe069984a7c96b020a3a8508a8f183706fea8061646e201f49f196e867788b542d5" +
	"5a47e06e11bf610f922213767bde86522eeccefaba886af8ca767a3ee4c8060b539ace046393067a4e47a5bd4b1754b5c15ad41fec8b749ad36ed2a6c1c1c1c1c1c1c1c1c1c1" +
	"c1c125ad808e2824b6740261616d6fcd1e33f3cb9febeaa8cf9f5cabe550f4a9c688e805b6f05dfbd326e9085349ae398c3da6a12368b1f6d8b904367a16314e5bccc2619f14" +
	"018808c447bffb99756f712ece4a279c11048388070035adb039272df1bb91b9a7bad05a6d3532fae57e1d3133cfe4da97a684fe3862b8bd57b534304d56c5c479ae40887d64" +
	"28905cba424623a6b2032563a5a087bfdd37197c26d87abda7e9db49d52260606f2fd82188a2"

func older(t *testing.T) []byte {
	t.Helper()
	b, err := hex.DecodeString(olderPayload)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What was sealed by the older algorithm opens.
func TestOlderPayload(t *testing.T) {
	t.Parallel()
	parts := vectorParts(t)
	contents, err := open(older(t), parts)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range parts {
		if !bytes.Equal(contents[i], p.Content) {
			t.Errorf("part %d opens as %q", i, contents[i])
		}
	}
}
