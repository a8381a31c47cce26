"""Explicit markers of an answer and the span each one announces; letters said to be best; refusals.

Long answers are read at the speed of look-ups: a pattern is tried only where one of its key words stands.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gmai_bench.extraction.spellings import any_of
from gmai_bench.extraction.text import LETTERS, lowered, places_of, words_of

_HEADS = "|".join(
    f"(?<={mark}{word})" for mark in ("# ", r"\*\*", r"\n") for word in ("", "final ", "correct ", "the ")
)
"""Before "answer" these make a heading of it."""
_NOT_OTHER = "".join(f"(?<!{word} )" for word in ("wrong", "incorrect", "alternative", "second", "2nd", "next best"))
_MARKERS: dict[str, re.Pattern[str]] = {
    "\\boxed": re.compile(  # \boxed{\text{B}}, \boxed{\text{Answer: } J}, \boxed{15 \text{ mg}}
        r"\\boxed\s*\{(?:\\(?:text|math)\w*\{(?:(?:final )?answer:?\s*\}\s*)?)?(?P<held>[^{}]*(?:\{[^{}]*\}[^{}]*)*)\}"
    ),
    "<answer>": re.compile(r"<answer>(?P<held>.*?)(?:</answer>|$)", re.DOTALL),
    "<final": re.compile(r"<final(?:_answer)?>(?P<held>.*?)(?:</final|$)", re.DOTALL),
    "<|begin_of_box|>": re.compile(r"<\|begin_of_box\|>(?P<held>.*?)(?:<\|end_of_box\|>|$)", re.DOTALL),  # GLM-V
    "[x]": re.compile(r"(?<!\w )(?<![\w)])\[x\]"),  # a ticked box in front of the answer
    "ans": re.compile(
        # "answer", "the answer to this question", "ans"; none in "the wrong answer is", "the answer choices are"
        rf"{_NOT_OTHER}(?<![^\W_])ans(?:wer(?!\s+(?:choices|options)\b)(?:\s+(?!is\b)\w+){{0,3}}?\s*"
        r"""(?:\*\*|"|')?\s*"""  # **Answer**: B, {"answer": "B"}
        # "answer: B", "answer = B", "answer - B", "answer is B", "answer should be B", "answer appears to be B"
        r"(?::|=|\s-\s|\b(?:is|(?:would|must|should|could|can|may|might|seems\s+to|appears\s+to)\s+be)\b)|\s?[:=]|\s-\s)"
        rf"|(?:{_HEADS})answer(?:\*\*)?\n+"  # a line of its own above the answer
    ),
    "response": re.compile(
        r"(?:\A|(?<=\n)|(?<=# )|(?<=\*\*))response(?:\*\*)?\s*:"
    ),  # none in "complete response: yes"
    "correct": re.compile(r"(?:\A|(?<=\n)|(?<=# )|(?<=\*\*))correct(?:\*\*)?\s*:"),
    "cho": re.compile(  # "I choose B", "we chose B"; "my choice is B", "Choice: B"
        rf"""cho(?P<spoken>o?se)\b|{_NOT_OTHER}(?<![^\W_])choice(?:\s+(?!is\b)\w+){{0,3}}?\s*(?:\*\*|"|')?\s*(?::|=|\bis\b)"""
    ),
    "opt": re.compile(  # "I opt for B"; "the correct option is B"; none in "each option is"
        r"""opt(?P<spoken> for)\b|(?<!each )(?<!every )(?<![^\W_])option\s*(?:\*\*|"|')?\s*(?::|=|\bis\b)"""
    ),
    "select": re.compile(r"(?P<spoken>select)\b"),
    "pick": re.compile(r"(?P<spoken>pick)\b"),
    "say": re.compile(r"(?P<spoken>say)\b(?:\s+that\b)?"),
    "call": re.compile(r"(?P<spoken>call\s+(?:it|this))\b(?:\s+an?\b)?"),
    "lean": re.compile(r"(?P<spoken>lean)(?:ing)?\s+(?:more\s+|slightly\s+)?(?:towards?|to)\b"),
    "go with": re.compile(r"(?P<spoken>go with)\b"),
    "going with": re.compile(r"(?P<spoken>going with)\b"),
    "答": re.compile(r"答案?\s*(?:应该是|应为|应选|选项|是|为|选|:|=)+"),  # 答案是B, 答:B
    "正确选项": re.compile(r"正确选项\s*(?:应该是|应为|是|为|:)+"),
    "正确的": re.compile(r"(?<!不)正确的(?:选项|答案)?\s*(?:应该是|应为|是|为|:)"),
    "选": re.compile(r"选(?:择|项(?=\W*[a-z是为:])(?!\s*[a-z]\s*[的描])|(?!项))\s*(?:是|为|:)?"),  # 选B, 选择B, 选项是B
    "而": re.compile(r"而(?:应)?是"),  # 不是A,而是B
    "倾向": re.compile(r"(?<!不)(?<!不太)倾向于?(?:选择?|答案)?(?:是|为)?:?"),  # 更倾向于C
    "考虑": re.compile(r"(?:(?<=故)|(?<=因此)|(?<=所以))考虑(?:诊断)?(?:是|为)?:?"),  # 故考虑C
}
"""Key word ▶ the marker that begins with it, in lower case. `held` is the answer itself; else it follows.

`spoken` ones announce an answer only after "I" or "we"."""

_TAGS = tuple(word for word in _MARKERS if word[0] in "<\\[")
_CHINESE = tuple(word for word in _MARKERS if not word.isascii())
_OPENING_WORDS = {
    "ans": frozenset(("answer", "ans")),
    "response": frozenset(("response",)),
    "correct": frozenset(("correct",)),
    "cho": frozenset(("choose", "chose", "choice")),
    "opt": frozenset(("opt", "option")),
    "lean": frozenset(("lean", "leaning")),
    **{word: frozenset((word.split()[0],)) for word in ("select", "pick", "say", "call", "go with", "going with")},
}
"""Key word ▶ the whole words that its marker can begin with."""
_ANY_OPENING_WORD = frozenset[str]().union(*_OPENING_WORDS.values())
_TAIL_CHARS = 200
"""The last marker wins and mostly stands in the last line, so it is looked for there first."""
_MOST_MARKERS = 200
"""Only the last markers are looked at: a model in a loop writes thousands."""
_LONGEST_SPAN = 600
"""Characters of a span at most, so that thousands of markers on one line cost no square of them."""
_CONTEXT_CHARS = 24
"""What the patterns look back at, at most."""
_CLOSING = re.compile(
    rf"(?i:{_NOT_OTHER})\b[Aa]nswer(?: is|:) ?\(?([A-Z])\)?[.*]*$"  # "The answer is (B)."
    r"|(?<=\w[.!?] )(?:[Ff]inal )?[Aa]nswer \(?([A-Z])\)?[.*]*$"  # "It is safe. Answer B."
    r"|(?:^|[.!?→>\n]\s?)(?:\*\*)?(?:[Ff]inal(?: choice| pick)?:|[Ff]inally) ?(?:\*\*)?\(?([A-Z])\)?[.*]*$"
    r"|\bmakes (?:it|this) \(?([B-HJ-Z])\)?\.?$"
    r"|\b(?<!each )(?<!every )option is \(?([A-Z])\)?\.?$"  # "the correct option is B"
    r"|\\boxed\{([A-Z])\}[.$]*$"  # "$\boxed{B}$."
    r"|答案[是为:]([A-Z])[。.]?$"
    # "so B.", "→ B", and a last sentence of its own: "… is not indicated. D."
    r"|(?:(?:\b(?i:therefore|thus|hence|so|i\.e\.)|→|->|=>|⇒)[,:]? ?|(?<=\w\w[.!?;]) )"
    r"(?:\*\*)?(?:\(([A-Z])\)|([B-HJ-Z])|(A)(?:(?=[.*])|(?<=[→>⇒]A)|(?<=[→>⇒] A)))[.*]*$"
)

_CLOSING_LINES = {
    form.replace("X", letter): letter
    for letter in LETTERS
    for form in (
        *(
            "Answer: X",
            "Answer: (X)",
            "**Answer: X**",
            "**Answer: (X)**",
            "Answer: X.",
            "Final answer: X",
            "\\boxed{X}",
        ),
        *("The answer is X.", "The answer is (X).", "The correct answer is X.", "The correct answer is (X)."),
    )
}
_LONGEST_CLOSING = 1 + max(map(len, _CLOSING_LINES))
"""Last lines that are looked up before the pattern is tried, which finds the same in them."""
_SPEAKER = re.compile(r"\b(?:i|we)(?:\s+(?:would|will|am|are)|'(?:d|ll|m|re))?\s+$")
"""What stands before a spoken marker: "I would choose"."""
_AT_FIRST = re.compile(r"\b(?:initially|at first|at first (?:glance|sight)|originally)\W{1,3}i(?:\s+\w+|'\w+)?\s+$")
"""Before a spoken marker it makes a first thought of it: "Initially I would choose A, but …"."""

_SUPPOSED = re.compile(
    r"\b(?:if(?!\s+(?:i|we|you|one|forced|pressed|pushed|asked|required|necessary|anything|so|any|had\s+to)\b)"
    r"|(?:had|were)\s+(?:there|the|it|this)|assuming|suppos(?:e|ing))\b[^.;\n]*$"
)
"""Before "the answer would be B" it makes a supposition of it; "if I had to guess" makes none."""
_SUPPOSED_BEHIND = re.compile(r"[^.;,\n]{0,60}\b(?:if\s+(?:there|the|it|this)|had\s+there|were\s+there)\b")
_SUPPOSED_ANSWER = re.compile(
    r"(?<![^\W_])(?:if(?!\s+(?:i|we|you|one|forced|pressed|pushed|asked|required|necessary|anything|so|any|had\s+to)\b)"
    r"|(?:had|were)\s+(?:there|the|it|this)|assuming|supposing)\b[^.;\n]{1,160}?"
    r"\banswer\s+(?:would|could|might|may)\b[^;\n]{0,160}?(?=\.\s|[;\n]|$)"
    r"|\banswer\s+(?:would|could|might|may)\b[^.;,\n]{1,60}?\b(?:if\s+(?:there|the|it|this)|had\s+there|were\s+there)\b[^.;\n]*",
    re.IGNORECASE,
)
_ANSWER_WOULD = re.compile(r"\banswer\s+(?:would|could|might|may)\b")
"""What every supposed answer holds; it is sooner looked for."""
_SUPPOSING = ("would", "could", "might", "may")
_SENTENCE_CHARS = 160

_NO_OBJECT = re.compile(r"(?:it|this|that|these|them)\b")
"""What a spoken marker may be followed by without naming an answer: "I choose it over A"."""
_REASON = re.compile(r"\b(?:because|since|whereas|while|as|(?:al)?though)\b|因为")
_GIVEN_REASON = re.compile(r"(?<=[\w,)*]\s)(?:because|since|whereas)\b[^.\n]*|因为[^。\n]*")
_REASON_WORDS = frozenset(("because", "since", "whereas"))
_SPOKEN_REASON = re.compile(
    r"\b(?:because|since|whereas|while|(?:al)?though|even if|as|over|instead of|rather than)\b|因为"
)
_LEAD = re.compile(r"[\s:*\"']*(?:\b(?:option|choice|answer)\b\s*:?\s*|选项\s*)?")
_OPTIONS_REPEATED = re.compile(r"[\s*(]*A[.):、][^\n]*\n[\s*(]*B[.):、]")
"""What follows "consider each option:" and announces no answer."""
_NEXT = re.compile(r"\banswer\s*(?:is\b|:)|\\boxed|<answer>|答案", re.IGNORECASE)
_SENTENCE_END = re.compile(
    r"[;。；]"
    r"|(?:(?<=\w\w)|(?<=[)*\"]))\.(?:\s|$)"  # "is MRI. It", "is (B). It"; none in "B. MRI"
    r"|(?<=\b[A-Z])\.\s+(?=(?:Here|The|This|It|Because|Option)\b)"  # "is B. Here is why"
)

_BEST = re.compile(
    r"(?<![A-Za-z0-9])(?P<letter>\(?[A-Z]\)?)(?:\*\*)?\s+(?:is|seems|looks)\s+(?:(?!less\b|least\b)\w+\s+){0,2}"
    r"(?:more\s+likely|most\s+likely|correct|right|best|better|(?<=the\s)answer)\b"
    r"|(?<![A-Za-z0-9])(?P<fits>[A-Z])(?:\*\*)?\s+fits\s+(?:(?:much|far|clearly)\s+)?(?:better|best)\b(?!\s+than)"
    r"|(?<![A-Za-z0-9])(?P<zh>[A-Z])\s*(?:选?项)?\s*是?(?:正确|对的|最可能|最合适|最佳)"
)
_BEST_IS = re.compile(  # "the best of A, B and C is B", "most likely of these is (B)"
    r"\b(?:best|most likely|correct one|right one"
    r"|(?:main|primary|principal|dominant|key)\s+(?:finding|diagnosis|abnormality))"
    r"\b[^.;\n]{0,40}?\bis\s+(?P<letter>\(?[A-Z]\)?)(?=\s*(?:[.,;:*\n]|$))"
)
_BEST_CHINESE = ("正确", "对的", "最")
_BEST_WORDS = frozenset(
    ("likely", "correct", "right", "best", "better", "answer", "main", "primary", "principal", "dominant", "key")
)
_VERDICT_CHARS = 6
_TICKS = "✓✔✅☑"
_TICKED = re.compile(  # "✅ B. MRI", "B: MRI - bright fluid ✓"
    rf"(?:^|\n)[^\S\n*#>-]*(?:[{_TICKS}]\ufe0f?[\s*(]*(?:(?i:option)\s+)?(?P<letter>[A-Z])(?![A-Za-z0-9])"
    rf"|[\s*(#>-]*(?:(?i:option)\s+)?(?P<zh>[A-Z])[.):、][^\n❌✗✘❎]*[{_TICKS}])"
)
_LISTED_AS_BEST = re.compile(
    r"(?:^|\n|[.;]\s)[\s*(]*(?P<letter>[A-Z])[.):](?:\*\*)?[^\n.;:]{1,80}?(?:\s-|:|\sis)\s*(?:\*\*)?(?:the\s+)?"
    r"(?:correct|right|best|most\s+likely)\b"
)
_OPTION = re.compile(
    r"\b(?i:option|choice)\s+(?:\*\*)?(?P<letter>\(?[A-Za-z]\)?)(?![A-Za-z0-9])|选项\s*(?P<zh>[A-Za-z])"
)
_VERDICT_LEADS = (" -", ":", " is", "\n-", "\nis")
_OPTION_WORDS = frozenset(("option", "choice"))

_REFUSAL = re.compile(
    # "I cannot help", "I am unable to be of assistance", "it is not possible to determine", "I can't see the image"
    r"\b(?:can(?:no|')t|can not|unable to|not able to|not possible to|not qualified to|won't|will not)\s+"
    r"(?:be\s+|\w+\s+){0,2}?"
    r"(?:help|assist|answer|determined?|provide|diagnose|identif(?:y|ied)|tell|interpret|analy[sz]e|comment|offer|give|"
    r"(?:(?:directly|actually)\s+)?(?:see|view|access|display)\s+(?:or\s+\w+\s+)?(?:the|any|this|an|your)?\s*"
    r"(?:(?:actual\s+)?(?:contents?|details?)\s+(?:of|in)\s+(?:the\s+|this\s+|an?\s+)?)?(?:images?|pictures?|photos?|scans?))\b"
    r"|^\W*(?:I'm\s+|I\s+am\s+)?sorry\b(?!,?\s+(?:for|about|I\s+meant?)\b)"  # "I'm sorry, but"; not "Sorry, I meant"
    r"|\bas an AI\b|\bI (?:do not|don't) know\b"
    r"|\b(?:do not|don't) have (?:enough|sufficient) information\b|\bI (?:must |have to )?decline to\b"
    r"|(?:无法|不能)[^。，,;；\n]{0,8}?(?:回答|判断|确定|识别|提供|诊断|查看|帮助)"  # 无法判断
    r"|看不到(?:任何)?(?:图|影)|^\W*(?:很)?(?:抱歉|对不起|不好意思)|我不知道",
    re.IGNORECASE,
)
_REFUSAL_OUTRIGHT = frozenset(("sorry", "ai", "decline"))
_REFUSAL_OPENS = frozenset(("not", "cannot", "t", "unable"))
_REFUSAL_VERBS = frozenset(
    (
        "help", "assist", "answer", "determine", "determined", "provide", "diagnose", "identify", "identified", "tell",
        "interpret", "analyse", "analyze", "comment", "offer", "give", "see", "view", "access", "know", "information",
    )
)  # fmt: skip
_REFUSAL_WORDS = ("able to", "sorry", "as an ai", "decline")
_BEFORE_NOT, _AFTER_NOT = ("ca", "can", "can ", "wo", "will "), (" possible", " qualified", " know", " have")
"""Every refusal holds one of these words, or "not" or "n't" beside one of those."""
_REFUSAL_WORDS_CHINESE = ("无法", "不能", "看不到", "抱歉", "对不起", "不好意思", "不知道")
_NEVERTHELESS = re.compile(r"\b(?:but|however|nevertheless|nonetheless|that said)\b|但是?|不过|然而", re.IGNORECASE)
_QUESTION = re.compile(r"(?<![^.!?。！？\n])[^.!?。！？\n]*\?")
_NEXT_QUESTION = re.compile(
    r"\n(?:[^\S\n]|[#*])*(?:next\s+)?(?:question|q|problem|exercise|instruction|human|user|问题|题目)\s*\d{0,4}[\s*]*[:.]",
    re.IGNORECASE,
)
_END_TOKEN = re.compile(r"<\|(?:im_start|im_end|endoftext|eot_id|end_of_text)\|>|</s>|<(?:end|start)_of_turn>|<eos>")
_SECOND_THOUGHT = re.compile(
    r"(?:^|(?<=[.!?…—\n-])|(?<=[,;]\s))\s{0,3}(?:(?:oh|hmm|but|no|hold on)\W{1,3}){0,3}(?:wait(?=\s{0,3}[,.!?:;…—\n-])"
    r"|actually,?\s+no\b|(?<=no, )actually\b|scratch that\b|(?:let me|i should) re-?(?:consider|think|examine)\b"
    r"|on second thoughts?\b|correction:)[\s,.:;!…—-]*(?:actually\b[\s,]*|no[,.!]\s*)*"
    r"|(?:^|(?<=[。！？\n]))\s{0,3}(?:等等|等一下|不对)[,。!]"
    r"|(?<=[,;])\s?(?:不对|错了)[,。!](?=(?:应该?|还是|是|选|答案|正确))",  # "选A,不对,应该是C"
    re.IGNORECASE,
)
_TAKEN_BACK = re.compile(  # "A... no, B"; none in "A. no, B. yes"
    r"(?<![A-Za-z0-9])[A-Z](?:\)|\*\*)?(?:[\s.…,;—–-]{1,6}(?:(?:oh|hmm|sorry|wait),?\s)?no|\?\s?[Nn]o)[\s,.…—–-]{1,4}"
    r"(?:(?:sorry|wait|rather|i\s+mean)[\s,.…—–-]{1,4})?"
    r"(?=(?:it(?:'s| is) |make (?:that|it) )?\(?[A-Z]\)?[.!*]*(?:\s*$|\s*[,;\n]|\s+(?:because|since|as|is)\b))"
)
SECOND_THOUGHT_WORDS = ("wait", "actually", "scratch", "let me re", "should re", "second th", "correction:")
_SECOND_THOUGHT_LEAD, _SECOND_THOUGHT_CHARS = 44, 100
"""What may stand before one of these words and behind where it begins, at most, but for a run of "no, no, …"."""
_NO_BEHIND = (" no", "—no", "? No", "?No")
_SENTENCE_START = re.compile(
    r"\n+|(?:(?<=\w\w)|(?<=\s\d)|(?<=\b[A-Z])(?=\.\s+(?:So|In the end|Therefore|Thus|Hence|Ultimately|Overall)\b))"
    r"[.!?]\s+|[。！？]\s*"
)
_SENTENCE_ENDS = ("\n", ". ", "! ", "? ", ".\t", "!\t", "?\t")
_CHINESE_SENTENCE_ENDS = ("。", "！", "？")
_CONCLUSION = re.compile(
    r"\b(?:so|therefore|thus|hence|consequently|in conclusion|in summary|in total|overall"
    r"|in the end(?! of)|ultimately|best(?!\s+for\b)"
    r"|(?:that|which|this) leaves|(?:diagnosis|finding|modality) is"
    r"|(?<!second )(?<!next )most (?:likely|consistent))\b"
    r"|因此|所以|综上|总之|总共|共计|故|最可能",
    re.IGNORECASE,
)
_OPENS_WITH_CONCLUSION = re.compile(
    r"\W*(?:(?:and\s+)?(?:so|therefore|thus|hence|consequently|overall|ultimately)\b"
    r"|in (?:conclusion|summary|total|the end(?! of))\b"
    r"|因此|所以|综上|总之|总共|共计|故)",
    re.IGNORECASE,
)
_CONFIRMS = re.compile(
    r"\b(?:stands?|confirm\w*|still|stick\w*|yes|indeed|unchanged|remains?|same answer|agree\w*"
    r"|(?:that|it|this|answer|choice)(?:'s|\s+(?:is|was|remains?))(?:\s+indeed)?\s+(?:correct|right))\b"
    r"|确认|仍|不变|没错",
    re.IGNORECASE,
)
_OPEN = re.compile(
    r"\b(?:determined?|assess(?:ed)?|told|judged?|answer|tell|say|identif(?:y|ied)|know|decided?)\s+(?:from\s+(?:the\s+|this\s+)?\w+\s+)?"
    r"(?:whether|if|which|between)\b",
    re.IGNORECASE,
)
_DISCLAIMER = re.compile(
    r"(?:\n|(?<=[.!?*]\s))[\s*_#>-]*(?:(?:important\s+|medical\s+)?disclaimer\b"
    r"|(?:(?:please|important)\W{1,4})?(?:note|remember|keep\s+in\s+mind)\b[^.\n]*\b(?:AI|advice|substitute|doctor|physician|"
    r"professional)\b"
    r"|(?:as|i'm|i\s+am|since\s+i'm|because\s+i\s+am)\s+an\s+AI\b|(?:please\s+)?consult\s+(?:a|your|with)\b"
    r"|I\s+(?:cannot|can't|am\s+(?:not\s+able|unable)\s+to)\s+(?:provide|give|offer)\s+(?:a\s+|any\s+)?(?:definitive\s+)?"
    r"medical\s+(?:advice|diagnos[ei]s)\b).*\Z",
    re.IGNORECASE | re.DOTALL,
)
_DISCLAIMER_WORDS = ("disclaimer", " ai", "medical ", "consult", "advice")
_LABELLED = re.compile(
    r"(?:^|\n|(?<=\w\w[.;]\s))[\s*#>_-]*(?:(?:the\s+)?most\s+likely(?:\s+\w+){0,2}"
    r"|favou?red|favou?ring"
    r"|(?:(?:final|working|primary|leading|favou?red|my)\s+)?(?:diagnosis|impression|conclusion|verdict|assessment|interpretation)"
    r"|(?:影像)?(?:诊断|结论|印象|提示)(?:意见|结果)?)[\s*_]*:[\s*_]*(?P<held>\S[^\n]*)",
    re.IGNORECASE,
)
_LABELS = frozenset(
    (
        "most",
        "favored",
        "favoured",
        "favoring",
        "favouring",
        "diagnosis",
        "impression",
        "conclusion",
        "verdict",
        "assessment",
        "interpretation",
    )
)
_AFTER_REASON = re.compile(
    r"\b(?:since|because|given|as)\b[^.;\n,]*,\s*(?:(?:it|this)(?:'s|\s+is|\s+must\s+be)\s+)?(?:an?\s+|the\s+)?"
    r"(?P<held>[^,;\n]+?)[.!\s]*$",
    re.IGNORECASE,
)
_HENCE = re.compile(
    r"(?<=[\w,]\s)(?:hence|thus|therefore|so)\b[\s,:]*(?P<held>[^,;.\n]{1,120})(?=[;.\n])", re.IGNORECASE
)
_WHEN_FORCED = re.compile(
    r"\b(?:(?:if\s+(?:(?:I|we)\s+(?:had|have|must|am|were)\s+(?:to\s+)?|(?:I|we)'[a-z]+\s+|really\s+|absolutely\s+)?"
    r"(?:forced|pressed|pushed|pick|choose|guess|commit|answer|decide)(?:\s+to\s+\w+|\s+(?:just\s+)?one|\s+between\s+them)*"
    r"|when\s+(?:forced|pressed|pushed)|gun\s+to\s+(?:my|the)\s+head)\s*[,:]"
    r"|(?:leaning(?:\s+(?:slightly|more))?(?:\s+(?:towards?|to))?|(?:first|top)\s+choice|best\s+guess)(?:\s+is)?:?)"
    r"\s+(?P<held>[^.,;\n]{1,120})",
    re.IGNORECASE,
)
_FORCING = (
    "leaning",
    " choice",
    "best guess",
    "forced",
    "pressed",
    "pushed",
    "had to",
    "have to",
    "must",
    "gun to",
    "were to",
)
_ASIDE = re.compile(r"\((?:[^()\s]{1,60}\s+){2}[^()]{1,200}\)|,\s*which\b[^.,;\n]*", re.IGNORECASE)
_NEIGHBOUR = re.compile(
    r"\b(?:(?:adjacent|anterior|close|inferior|lateral|medial|next|posterior|superior)\s+to|below|above|beneath|behind|near|beside)"
    r"\b[^,.:;\n]{1,60}?(?=[,.:;\n]|\s(?:is|are)\b|$)",
    re.IGNORECASE,
)
_NEIGHBOUR_WORDS = frozenset(
    (
        "adjacent", "anterior", "close", "inferior", "lateral", "medial", "next", "posterior", "superior", "below",
        "above", "beneath", "behind", "near", "beside",
    )
)  # fmt: skip
_SUPERLATIVE = re.compile(
    r"\bnext\s+best\s+(?:step|test|management|investigation|action|treatment|option|approach)\b"
    r"|(?<!second )(?<!next )\b(?:best"
    r"|most\s+(?:likely|consistent|closely|probable|appropriate|plausible|compatible|in\s+keeping))\b"
    r"|\b(?:highly|strongly|very)\s+(?:suspicious|suggestive|characteristic|typical)\s+(?:for|of)\b"
    r"|\b(?:classic|diagnostic|pathognomonic)\s+(?:for|of)\b",
    re.IGNORECASE,
)
_SUPERLATIVE_WORDS = frozenset(("best", "most", "highly", "strongly", "very", "classic", "diagnostic", "pathognomonic"))
_CLAUSE_END = re.compile(r"[\n;。！]|[.!?](?<=\w\w.)\s")


_ANNOUNCING = ("nswer", "hoose", "hoice", "\\boxed", "select", "pick", "[x]", "[X]", "Ans", "ption is", "ption:", "<|")


def closing_line(text: str) -> str | None:
    """Return the letter of a last line that is one of the commonest and is looked up: "Answer: B"."""
    return _CLOSING_LINES.get(text[max(text.rfind("\n") + 1, len(text) - _LONGEST_CLOSING) :])


def closing_letter(text: str) -> str | None:
    """Return the letter of the commonest endings ("The answer is B."), as `marked_spans` would find it, but sooner."""
    if (last := closing_line(text)) is not None:
        return last
    if not text.rstrip(").*$}。")[-1:].isupper():
        return None
    closing = _CLOSING.search(text, max(0, len(text) - _CONTEXT_CHARS))
    return closing[closing.lastindex or 0] if closing else None


def closing_conclusion(text: str, line: str) -> str:
    """Return the last line without its reasons where it draws a conclusion and nothing else announces an answer.

    Args:
        text: The response.
        line: Its last line.
    """
    if not _OPENS_WITH_CONCLUSION.match(line) or any_of(_ANNOUNCING, text) or not text.isascii():
        return ""
    stop = _SENTENCE_END.search(line)
    return without_reasons(line) if stop is None or not line[stop.end() :].strip() else ""


class Span(NamedTuple):
    """What a marker announces."""

    text: str
    """To the end of the sentence or the reason: letters and options are weighed in it like in any text."""
    line: str
    """To the end of the line: the text of an option may hold a full stop or a "because"."""
    spoken: bool = False
    """Whether only "I would say" announces it, which may be a first thought."""


def marked_spans(text: str) -> Iterator[Span]:
    """Yield what stands behind each explicit marker, the last one first.

    "The answer is (D), not (A)" gives the span "(D), not (A)".
    """
    split = max(text.rfind("\n") + 1, len(text) - _TAIL_CHARS, 0)
    tags = _TAGS if any_of("<\\[", text) else ()
    if split and any(_reaches(tag, text, split) for tag in tags):
        split = 0
    others = (*tags, *(() if text.isascii() else _CHINESE))
    if places := places_of(lowered(text), (*others, *_OPENING_WORDS), split):
        yield from reversed(_spans(text, sorted(places)))
    if not split:
        return
    said = words_of(text)
    if not _ANY_OPENING_WORD.isdisjoint(said):
        others += tuple(word for word, opening in _OPENING_WORDS.items() if not opening.isdisjoint(said))
    if others and (places := places_of(lowered(text), others, 0, split)):
        yield from reversed(_spans(text, sorted(places)))


def _reaches(tag: str, text: str, split: int) -> bool:
    """Return whether the last such tag that begins before `split` ends behind it: it may hold other markers."""
    place = text.rfind(tag, 0, split)
    marker = _MARKERS[tag].match(text, place) if place >= 0 else None
    return marker is not None and marker.end() > split


def _spans(text: str, places: list[tuple[int, str]]) -> list[Span]:
    """Return the spans of the markers whose key words stand at some places, in order."""
    lower = lowered(text)
    spans: list[Span] = []
    position = 0
    for start, word in places[-_MOST_MARKERS:]:
        if start < position:
            continue
        if word == "选" and lower[start - 1 : start] in ("不", "可", "备", "案"):
            continue
        marker = _MARKERS[word].match(lower, start)
        if marker is None:
            continue
        groups = marker.re.groupindex
        spoken = "spoken" in groups and marker["spoken"] is not None
        if spoken and not _SPEAKER.search(lower, max(0, start - 16), start):
            continue
        if spoken and _AT_FIRST.search(lower, max(0, start - 40), start):
            continue
        if "held" in groups:
            held = text[marker.start("held") : marker.end("held")].strip()
            spans.append(Span(held, held))
            position = marker.end()
            continue
        if word == "ans" and _is_supposed(lower, start, marker.end()):
            continue
        lead = _LEAD.match(lower, marker.end())
        begin = lead.end() if lead else marker.end()
        position = begin
        if _OPTIONS_REPEATED.match(text, begin):
            continue
        quote_end = text.find(text[begin - 1], begin, begin + _LONGEST_SPAN) if text[begin - 1] in "\"'" else -1
        if quote_end > 0:
            quoted = text[begin:quote_end].strip()
            spans.append(Span(quoted, quoted))
        elif not spoken:
            spans.append(_to_sentence_end(text, begin, _REASON))
        elif not _NO_OBJECT.match(lower, begin):
            spans.append(_to_sentence_end(text, begin, _SPOKEN_REASON)._replace(spoken=True))
    return [span for span in spans if span.text]


def _is_supposed(lower: str, start: int, end: int) -> bool:
    """Return whether a marker tells what would be the answer if something else were seen."""
    if not any_of(_SUPPOSING, lower[start:end]):
        return False
    first = max(0, start - _SENTENCE_CHARS)
    return _SUPPOSED.search(lower[first:start]) is not None or _SUPPOSED_BEHIND.match(lower, end) is not None


def _to_sentence_end(text: str, begin: int, reason: re.Pattern[str]) -> Span:
    end = text.find("\n", begin, begin + _LONGEST_SPAN)
    line = span = text[begin : end if end >= 0 else begin + _LONGEST_SPAN]
    for stop in (_NEXT, reason, _SENTENCE_END):
        if found := stop.search(span):
            span = span[: found.start()]
    return Span(span.strip(), line)


def favoured_letters(text: str, capitals: Iterable[int]) -> list[tuple[int, int]]:
    """Return the places of letters said to be best: "B is more likely", "C. X-ray - correct".

    Args:
        text: The response.
        capitals: Where the letters of options stand in it.
    """
    chinese = () if text.isascii() else tuple(word for word in _BEST_CHINESE if word in text)
    if not text.isascii() and any_of(_TICKS, text) and (ticked := list(_TICKED.finditer(text))):
        return [match.span("letter" if match["letter"] else "zh") for match in ticked]
    words = _BEST_WORDS & words_of(text)
    if not words and not chinese:
        return []
    starts = (place - (text[place - 1 : place] == "(") for place in capitals)
    found = [match for start in starts if (match := _BEST.match(text, start))]
    verdicts = [place for place, _ in places_of(text, (*words, *chinese))]
    if " is " in text:
        found += (match for place in verdicts if (match := _BEST_IS.match(text, place)))
    if any(any_of(_VERDICT_LEADS, text[max(0, place - _VERDICT_CHARS) : place]) for place in verdicts):
        found += _LISTED_AS_BEST.finditer(text)
    return [match.span(_told_by(match)) for match in found]


def _told_by(match: re.Match[str]) -> str:
    if match.re is not _BEST:
        return "letter"
    return next(group for group in ("letter", "zh", "fits") if match[group])


def option_letters(text: str) -> list[tuple[int, int]]:
    """Return the places of letters named as "option X"."""
    words = (*(_OPTION_WORDS & words_of(text)), *(() if text.isascii() else ("选项",)))
    if not words:
        return []
    places = sorted(place for place, _ in places_of(lowered(text), words))
    found = (_OPTION.match(text, place) for place in places)
    return [match.span("letter" if match["letter"] else "zh") for match in found if match]


def may_refuse(text: str) -> bool:
    """Return whether the words of a refusal are in a text, or in one of several texts put together."""
    if not text.isascii():
        return True
    said = words_of(text)
    opens = not (_REFUSAL_OPENS.isdisjoint(said) or _REFUSAL_VERBS.isdisjoint(said))
    return opens or not _REFUSAL_OUTRIGHT.isdisjoint(said)


def refuses(text: str) -> bool:
    """Return whether the response declines to answer."""
    if not may_refuse(text):
        return False
    lower = lowered(text)
    words = _REFUSAL_WORDS if text.isascii() else _REFUSAL_WORDS + _REFUSAL_WORDS_CHINESE
    hinted = any_of(words, lower) or any(
        lower.startswith(_AFTER_NOT, place + 3) or lower.endswith(_BEFORE_NOT, 0, place)
        for place, _ in places_of(lower, ("not", "n't"))
    )
    return hinted and _REFUSAL.search(text) is not None


def answer_after_refusal(text: str) -> str:
    """Return what follows "…, but" in a response that declines, where that does not decline too; else nothing."""
    contrasts = list(_NEVERTHELESS.finditer(text))
    after = text[contrasts[-1].end() :] if contrasts else ""
    return "" if refuses(after) else after


def without_disclaimer(text: str) -> str:
    """Return the text without the last sentences that say that the model is no doctor, which refuse nothing.

    They stand behind an answer: a text of nothing else is returned as it is.
    """
    if not any_of(_DISCLAIMER_WORDS, lowered(text)):
        return text
    found = _DISCLAIMER.search(text)
    return text[: found.start()].rstrip() or text if found else text


def labelled(text: str) -> str:
    """Return what stands behind the last label such as "Most likely diagnosis:" or "Impression:" in its line."""
    labels = ":" in text and not (text.isascii() and _LABELS.isdisjoint(words_of(text)))
    found = list(_LABELLED.finditer(text)) if labels else []
    return found[-1]["held"] if found else ""


def clause_after_reason(text: str) -> str:
    """Return the last clause with its reason before it: "since there are no slices, X-ray", "hence MRI; on CT …"."""
    begin = max(0, len(text) - _TAIL_CHARS)
    found = _AFTER_REASON.search(text, begin) or next(iter(reversed(list(_HENCE.finditer(text, begin)))), None)
    return found["held"] if found else ""


def when_forced(text: str) -> str:
    """Return what is chosen after all in an answer that leaves two open: "B or C; if forced, C"."""
    found = list(_WHEN_FORCED.finditer(text)) if any_of(_FORCING, lowered(text)) else []
    return found[-1]["held"] if found else ""


def without_asides(text: str) -> str:
    """Return the text without words in brackets and relative clauses: "hepatitis D, which requires hepatitis B"."""
    return _ASIDE.sub(" ", text) if any_of(("(", "which"), text) else text


def without_neighbours(text: str) -> str:
    """Return the text without what it says of places beside others: "It lies below the liver: the right kidney"."""
    parts: list[str] = []
    done = 0
    for place, _ in sorted(places_of(lowered(text), _NEIGHBOUR_WORDS & words_of(text))):
        if place >= done and (neighbour := _NEIGHBOUR.match(text, place)):
            parts += (text[done:place], " ")
            done = neighbour.end()
    return "".join(parts) + text[done:] if parts else text


def superlatives(text: str) -> list[str]:
    """Return the sentences that say what is best or most likely."""
    words = _SUPERLATIVE_WORDS & words_of(text)
    if not words:
        return []
    return [
        sentence
        for sentence in _CLAUSE_END.split(text)
        if any_of(words, lowered(sentence)) and _SUPERLATIVE.search(sentence)
    ]


def without_reasons(text: str) -> str:
    """Return the text without what follows "because" in its sentences: "MRI, because CT would show white bone"."""
    given = not _REASON_WORDS.isdisjoint(words_of(text)) or (not text.isascii() and "因为" in text)
    return _GIVEN_REASON.sub(" ", text) if given else text


def without_questions(text: str) -> str:
    """Return the text without its questions: "CT or MRI? The bone is dark, so MRI"."""
    return _QUESTION.sub(" ", text) if "?" in text else text


def after_second_thought(text: str) -> str:
    """Return what follows the last "Wait, …", "No, actually …" of a text, or nothing."""
    words = SECOND_THOUGHT_WORDS if text.isascii() else (*SECOND_THOUGHT_WORDS, "等", "不对", "错了")
    last = -1
    if any_of(words, lower := lowered(text)):
        for place in sorted(place for place, _ in places_of(lower, words)):
            if place >= last:
                around = max(last, place - _SECOND_THOUGHT_LEAD, 0), place + _SECOND_THOUGHT_CHARS
                found = _SECOND_THOUGHT.search(text, *around)
                found = found and _SECOND_THOUGHT.match(text, found.start())  # to its end, which may lie further on
                last = found.end() if found else last
    if any_of(_NO_BEHIND, text):
        last = max((last, *(found.end() for found in _TAKEN_BACK.finditer(text))))
    return text[last:] if last >= 0 else ""


def draws_other_conclusion(text: str) -> bool:
    """Return whether a second thought ends in a conclusion and does not say that the first one stands."""
    return _CONCLUSION.search(text) is not None and _CONFIRMS.search(text) is None


def without_suppositions(text: str) -> str:
    """Return the text without what would be the answer if something else were seen."""
    if not any_of(_SUPPOSING, text) or "answer" not in words_of(text) or not _ANSWER_WOULD.search(lowered(text)):
        return text
    return _SUPPOSED_ANSWER.sub(" ", text)


def leaves_open(text: str) -> bool:
    """Return whether "cannot be determined" goes on with what is open, so that it names no option of that text."""
    return _OPEN.search(text) is not None


def before_next_question(text: str) -> str:
    """Return what stands before the first question that the model goes on to ask itself, or before a special token.

    Base models go on after their answer: "B", then "Question: …" with an answer of its own.
    """
    found = _END_TOKEN.search(text) if "<" in text else None
    own = text[: found.start()] if found else text
    found = _NEXT_QUESTION.search(own)
    own = own[: found.start()] if found else own
    return text if own is text else own.rstrip()


def concluding_sentence(text: str) -> str:
    """Return the last sentence where it draws a conclusion ("Therefore, …", "… is best"), else nothing."""
    last = len(text.rstrip(".!?。！？ \n"))
    ends = _SENTENCE_ENDS if text.isascii() else _SENTENCE_ENDS + _CHINESE_SENTENCE_ENDS
    place = last
    while True:
        until, place = place, -1
        for end in ends:
            place = max(place, text.rfind(end, place + 1, until))
        if place < 0:
            return ""
        boundary = _SENTENCE_START.match(text, place, last)
        if boundary:
            sentence = text[boundary.end() :]
            return sentence if _CONCLUSION.search(sentence) else ""


def opens_with_conclusion(sentence: str) -> bool:
    """Return whether a sentence begins with "Therefore", "In summary" and the like: what it names is the answer."""
    return _OPENS_WITH_CONCLUSION.match(sentence) is not None
