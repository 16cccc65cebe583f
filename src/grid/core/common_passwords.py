"""Common passwords: those that guessers try first.

Lists of leaked passwords are nearly all shorter than the twelve characters that Grid asks for. What remains common at
that length is built from the same few parts: well-known words, names and keyboard walks, joined, repeated, written with
digits for letters, and finished with a year or an exclamation mark. So the parts are listed here, and the ways of
joining them are rules; no breached password is stored.
"""

from itertools import pairwise
from typing import Final

MIN_DISTINCT: Final = 5  # "aaaaaaaaaaaa", "121212121212", "abcabcabcabc"

# Words and names that lead every published list of common passwords, and the words of this product.
_PARTS: Final = """
    a i the my is and or me you love iloveyou loveyou lovely forever always hello hi hey welcome
    admin administrator root user guest test testing tester demo sample example default temp temporary login logon
    password passwd passphrase pass pwd passcode word secret secure security letmein let in changeme change please
    changethis this now new old open opensesame sesame access enter trustno trust no one master super superman batman
    spiderman starwars star wars pokemon naruto dragon monkey tiger lion eagle falcon phoenix unicorn butterfly shadow
    sunshine sun shine moon light princess prince queen king angel baby babygirl boy girl flower rainbow chocolate
    cookie cheese banana orange apple cherry pepper ginger coffee whatever nothing something anything everything
    football soccer baseball basketball hockey tennis golf liverpool arsenal chelsea barcelona realmadrid yankees
    cowboys lakers mustang ferrari porsche mercedes corvette harley yamaha computer internet windows linux ubuntu
    debian google facebook twitter youtube microsoft amazon samsung oracle cisco server database postgres mysql redis
    docker python java developer engineer company corporate office work staff manager system service
    michael jordan jennifer jessica ashley nicole daniel thomas robert andrew matthew joshua charlie william george
    michelle amanda samantha thunder summer winter spring autumn monday tuesday wednesday thursday friday saturday
    sunday january february march april june july august september october november december london paris berlin
    newyork california texas america england germany france china russia freedom killer hunter ranger soldier matrix
    qwerty qwertyuiop qwertz azerty asdf asdfgh asdfghjkl zxcv zxcvbn zxcvbnm qazwsx wsxedc edcrfv qaz wsx edc rfv
    qweasd asdzxc qweasdzxc qwe asd zxc abc abcd abcdef abcdefgh abcdefghijkl xyz poiuytrewq lkjhgfdsa mnbvcxz
    correct horse battery staple correcthorsebatterystaple
    grid gridadmin throughput simulation heat engine physics
"""
_WORDS: Final = frozenset(_PARTS.split())
_LONGEST: Final = max(map(len, _WORDS))
_SEQUENCES: Final = ("01234567890123456789", "abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm")
_LETTER_FOR: Final = str.maketrans(
    {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "@": "a", "$": "s", "!": "i", "+": "t"}
)


def is_common(password: str, *, username: str = "") -> bool:
    """Tell whether the password repeats itself, walks the keyboard, or is made of nothing but well-known words.

    Digits and signs at either end are ignored, as are separators and digits for letters in between; the user's own name
    counts as a well-known word.
    """
    lowered = password.casefold()
    if len(set(lowered)) < MIN_DISTINCT or _repeats(lowered) or _walks(lowered):
        return True
    words = _WORDS | {username.casefold()} if username else _WORDS
    longest = max(_LONGEST, len(username))
    plain = "".join(sign for sign in lowered if sign.isalpha())
    spelled = lowered.translate(_LETTER_FOR)
    trimmed = _trim(lowered).translate(_LETTER_FOR)
    candidates = {plain, *("".join(sign for sign in text if sign.isalpha()) for text in (spelled, trimmed))}
    return any(not text or _is_made_of(text, words, longest) for text in candidates)


def _trim(text: str) -> str:
    """Drop digits and signs from both ends: the year and the exclamation mark."""
    letters = [index for index, sign in enumerate(text) if sign.isalpha()]
    return text[letters[0] : letters[-1] + 1] if letters else ""


def _repeats(text: str) -> bool:
    """Tell whether the text is one unit of at most a third of its length, again and again."""
    return any(text == (text[:size] * len(text))[: len(text)] for size in range(1, len(text) // 3 + 1))


def _walks(text: str) -> bool:
    """Tell whether nearly every step leads to the neighbour on the keyboard, in the alphabet or among the digits."""
    neighbours = {pair for row in _SEQUENCES for line in (row, row[::-1]) for pair in pairwise(line)}
    steps = list(pairwise(text))
    return sum(step in neighbours or step[0] == step[1] for step in steps) >= 0.8 * len(steps)


def _is_made_of(text: str, words: frozenset[str], longest: int) -> bool:
    """Tell whether the text can be cut into listed words, leaving nothing."""
    reachable = [True] + [False] * len(text)
    for end in range(1, len(text) + 1):
        starts = range(max(0, end - longest), end)
        reachable[end] = any(reachable[start] and text[start:end] in words for start in starts)
    return reachable[-1]
