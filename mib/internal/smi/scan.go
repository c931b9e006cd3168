package smi

import (
	"fmt"
	"strings"
)

// token is one lexical element; text of a quoted string is without quotes.
type token struct {
	text   string
	quoted bool
	line   int
}

// scan cuts a module into tokens and drops comments.
func scan(src string) ([]token, error) {
	var tokens []token
	line := 1
	for i := 0; i < len(src); {
		switch c := src[i]; {
		case c == '\n':
			line++
			i++
		case c == ' ' || c == '\t' || c == '\r':
			i++
		case strings.HasPrefix(src[i:], "--"):
			// A comment ends with the line; SMIv2 modules do not use ASN.1's
			// second "--" for it.
			n := strings.IndexByte(src[i:], '\n')
			if n < 0 {
				n = len(src) - i
			}
			i += n
		case c == '"':
			n := strings.IndexByte(src[i+1:], '"')
			if n < 0 {
				return nil, fmt.Errorf("line %d: the string does not end", line)
			}
			s := src[i+1 : i+1+n]
			tokens = append(tokens, token{s, true, line})
			line += strings.Count(s, "\n")
			i += n + 2
		case strings.HasPrefix(src[i:], "::="):
			tokens = append(tokens, token{"::=", false, line})
			i += 3
		case strings.HasPrefix(src[i:], ".."):
			tokens = append(tokens, token{"..", false, line})
			i += 2
		case strings.IndexByte("{}(),|;", c) >= 0:
			tokens = append(tokens, token{string(c), false, line})
			i++
		case isWord(c):
			n := 1
			for i+n < len(src) && isWord(src[i+n]) && !strings.HasPrefix(src[i+n:], "--") {
				n++
			}
			tokens = append(tokens, token{src[i : i+n], false, line})
			i += n
		default:
			return nil, fmt.Errorf("line %d: unexpected %q", line, c)
		}
	}
	return tokens, nil
}

func isWord(c byte) bool {
	return c == '-' || c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
