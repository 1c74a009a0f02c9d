"""Words that look the same are the same, or are refused; all others stay apart."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from myocard.errors import InputError
from myocard.tasks.own.words import folded, plain, require_apart

FORMS = ("NFC", "NFD", "NFKC", "NFKD")


@given(st.text(), st.sampled_from(FORMS[:2]))
def test_a_text_is_kept_alike_however_its_letters_are_composed(text, form):
    assert plain(unicodedata.normalize(form, text)) == plain(text) == plain(plain(text))
    assert folded(plain(text)) == folded(text)


@given(st.text(alphabet=st.characters(codec="latin-1")), st.sampled_from(FORMS))
def test_no_form_of_unicode_tells_words_apart(text, form):
    assert folded(unicodedata.normalize(form, text)) == folded(text)
    assert folded(f" {text.upper().lower()}\u200b") == folded(text.upper())


@pytest.mark.parametrize(
    "other", ["GRÖSSE", "gro\u0308ße", "grö\u00adße", " größe ", "größe\ufeff"]
)
def test_words_that_look_alike_are_refused_by_name(other):
    require_apart(["größe", "größer", "grosse", "größe"], "t")
    with pytest.raises(InputError, match="t: 'größe' and '.*' differ in capitals, blanks or encod"):
        require_apart(["größe", "größer", other], "t")
