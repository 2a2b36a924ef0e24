"""XML, web pages, and cutting."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.tools.reading.cutting import cut_json, cut_text
from app.tools.reading.html_text import page_text
from app.tools.reading.xml_data import XmlRefused, xml_data

SOAP = b"""<?xml version="1.0"?>
<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>
  <order id="7" xsi:type="x"><item>Tea &amp; milk</item><item>Cup</item><note/><who name="A">Ann</who></order>
</s:Body></s:Envelope>"""


def test_xml_becomes_plain_data() -> None:
    order = xml_data(SOAP)["Envelope"]["Body"]["order"]
    assert order == {
        "@id": "7",
        "@type": "x",
        "item": ["Tea & milk", "Cup"],
        "note": None,
        "who": {"@name": "A", "#text": "Ann"},
    }
    assert xml_data("<a>ü</a>".encode("iso-8859-1"), "ISO-8859-1") == {"a": "ü"}
    assert xml_data("<?xml version='1.0' encoding='iso-8859-1'?><a>ü</a>".encode("iso-8859-1")) == {"a": "ü"}


LAUGHS = b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><l>&b;</l>'
OUTSIDE = b'<!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]><l>&a;</l>'


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (LAUGHS, "DTD or entities"),
        (OUTSIDE, "DTD or entities"),
        (b'<!DOCTYPE l SYSTEM "http://127.0.0.1:1/x.dtd"><l/>', "DTD or entities"),
        (b"<l>&unknown;</l>", "no XML"),
        (b"<a>" * 200 + b"</a>" * 200, "nested deeper"),
        (b"<a><b></a>", "line 1"),
        (b"{}", "no XML"),
        (b"", "no XML"),
        (b"<a>" + b"<b/>" * 210_000 + b"</a>", "more than 200,000"),
        (b"<?xml version='1.0' encoding='klingon'?><a/>", "no XML|not known"),
    ],
)
def test_xml_that_means_harm_or_is_none_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(XmlRefused, match=words):
        xml_data(body)


@settings(max_examples=200)
@given(st.binary(max_size=60).map(lambda data: b"<a>" + data + b"</a>"), st.none() | st.text(max_size=8))
def test_any_bytes_are_data_or_refused(body: bytes, charset: str | None) -> None:
    with contextlib.suppress(XmlRefused):
        assert list(xml_data(body, charset)) == ["a"]


def test_a_page_keeps_headings_lists_tables_and_the_words_of_links() -> None:
    page = """<!doctype html><html><head><title>Shop</title><style>p {}</style><script>evil()</script></head><body>
      <h1>Your <em>orders</em></h1><p>Hello <a href="/x">there</a>,<br>friend.</p>
      <ol><li>one<ul><li>in</li></ul></li><li><p>two</p></li></ol>
      <table><tr><th>Item</th><th>Price</th></tr><tr><td><p>Tea</p></td><td>3&nbsp;€</td></tr></table>
      <noscript>no</noscript><select><option>1<option>2</select><img src=x alt="A cup"></body></html>"""
    assert page_text(page).splitlines() == [
        "Shop",
        "# Your orders",
        "Hello there,",
        "friend.",
        "1. one",
        "  - in",
        "2. two",
        "Item | Price",
        "Tea | 3 €",
        "A cup",
    ]


@given(st.text(alphabet="<>/apulioltrdh1 !-&;\"'=", max_size=80))
def test_no_page_breaks_the_reader(page: str) -> None:
    page_text(page)


def test_a_text_is_cut_at_the_end_of_a_line_or_a_sentence_or_a_word() -> None:
    for text, end in (
        ("A line.\n" * 60, "A line."),
        ("One sentence here. " * 30, "here."),
        ("word " * 90, "word"),
        ("x" * 400, "x"),
        ("ü" * 300, "ü"),
    ):
        shown, note = cut_text(text, 201).rsplit("\n", 1)
        assert shown.endswith(end)
        assert len(shown.encode()) <= 201
        assert note.startswith(f"[cut: this is the beginning, {len(shown.encode())} of {len(text.encode())} bytes.")
    assert cut_text("short", 200) == "short"


RECORDS = [{"id": number, "name": "ü" * 10} for number in range(100)]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (RECORDS, "[cut: the first "),
        ({"items": RECORDS, "total": 100}, "[cut: items: the first "),
        ({"page": {"items": RECORDS}, "more": "yes"}, "[cut: page.items: the first "),
        ([{"lines": RECORDS}], "[cut: 0.lines: the first "),
        ({"a": "A sentence. " * 90, "b": 1}, "[cut: a is cut."),
        ({"a": RECORDS, "b": RECORDS}, "the first "),
    ],
)
def test_json_is_cut_between_the_elements_of_its_longest_list_and_stays_json(value: Any, says: str) -> None:
    shown, note = cut_json(value, 500).rsplit("\n", 1)
    assert len(shown.encode()) <= 500
    assert says in note
    assert type(json.loads(shown)) is type(value)
    if isinstance(value, list) and len(value) > 1:
        kept = json.loads(shown)
        assert kept == value[: len(kept)]
        assert f"the first {len(kept)} of 100." in note


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(max_size=5), inner, max_size=8),
    max_leaves=60,
)


@settings(max_examples=300)
@given(JSON)
def test_whatever_is_cut_fits_and_says_so(value: Any) -> None:
    text = cut_json(value, 200)
    shown, cut, _ = text.partition("\n[cut: ")
    assert len(shown.encode()) <= 200
    assert cut or json.loads(text) == value


@pytest.mark.parametrize(
    "piece",
    [
        "<a",
        "<!",
        "<!--",
        "<?",
        "</",
        "</a ",
        "<![CDATA[",
        "&#",
        "<a a='\"",
        "<a a ",
        "<ul><li>x",
        "<tr><td>a<p>",
        "<p> ",
    ],
)
def test_a_page_that_is_never_finished_takes_no_time(piece: str) -> None:
    page = "<html><body><p>Hello" + piece * (60_000 // len(piece))
    started = time.perf_counter()
    text = page_text(page)
    assert time.perf_counter() - started < 2  # of a busy machine; 43 s without bounds
    assert text.startswith("Hello")
    assert len(text) < 250_000


def test_a_picture_within_its_tag_does_not_end_a_page() -> None:
    page = f'<p>Before</p><img alt="A map" src="data:image/png;base64,{"iVBORw0K" * 2_000}"><p>Behind</p> and <b>last'
    assert page_text(page) == "Before\nA map\nBehind\nand last"
    assert page_text("<p>" + "We sell tea. " * 50 + "Ask AT&T").endswith("tea. Ask AT&T")
