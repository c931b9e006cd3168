package modules

import (
	"bytes"
	"io"
	"io/fs"
	"regexp"
)

// directory gives files as the parser below understands them.
type directory struct{ fs.ReadDirFS }

// universal is how some copies of SNMPv2-SMI and RFC 1212 write what ASN.1
// means without it; the parser knows only the tags of applications.
var universal = regexp.MustCompile(`\[\s*UNIVERSAL\s+\d+\s*\]\s*IMPLICIT`)

// Open implements fs.FS.
func (d directory) Open(name string) (fs.File, error) {
	f, err := d.ReadDirFS.Open(name)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(f)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return &file{File: f, text: bytes.NewReader(universal.ReplaceAll(text, nil))}, nil
}

// file is one whose text may have changed.
type file struct {
	fs.File
	text *bytes.Reader
}

// Read implements io.Reader.
func (f *file) Read(b []byte) (int, error) { return f.text.Read(b) }
