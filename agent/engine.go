package agent

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// bootsFile is the number of starts as an SNMPv3 engine, one line.
const bootsFile = "engine_boots"

// UUIDOctets is the node's UUID as 16 octets.
func (n *Node) UUIDOctets() []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(n.uuid, "-", ""))
	if err != nil {
		return []byte(n.uuid) // not one of uuidForm, which OpenNode ensures
	}
	return b
}

// EngineBoots keeps how often the node has started as an SNMPv3 engine
// (snmpEngineBoots, RFC 3414, section 2.2) in its state directory. Without one
// each start is the first, of a new engine.
type EngineBoots struct{ state *state }

// EngineBoots is the node's.
func (n *Node) EngineBoots() EngineBoots { return EngineBoots{n.state} }

// Boots gives the number that was stored last; 0 if none was.
func (e EngineBoots) Boots() (int32, error) {
	if e.state.dir == "" {
		return 0, nil
	}
	path := filepath.Join(e.state.dir, bootsFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 32)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s holds no number of starts; write one into it that is surely higher than the last", path)
	}
	return int32(n), nil
}

// StoreBoots stores the number; it is durable on return.
func (e EngineBoots) StoreBoots(n int32) error {
	if e.state.dir == "" {
		return nil
	}
	return e.state.write(bootsFile, []byte(strconv.Itoa(int(n))+"\n"))
}
