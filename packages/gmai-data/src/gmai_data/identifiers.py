"""Strings that may point to a person: numbers, dates, contacts, names. In doubt a text is left out."""

import re

_MONTH = (
    "(?:January|February|March|April|May|June|July|August|September|October|November|December"
    "|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)"
)
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许邓韩冯曹彭曾肖田董"
    "袁潘蒋蔡余杜叶程苏魏吕丁沈姚卢姜崔钟谭陆汪范廖贾夏韦付邹孟熊秦邱江尹薛"
)
"""The most common ones that are no ending of another word."""
_IDENTIFIER = re.compile(
    rf"""
      [\w.+-]+@[\w-]+\.\w+                                          # e-mail
    | \b(?:https?://|www\.)\S+                                      # address on the web
    | \b\d{{1,2}}[/.-]\d{{1,2}}[/.-](?:19|20)\d{{2}}\b                  # date with a day
    | \b(?:19|20)\d{{2}}[/.-]\d{{1,2}}[/.-]\d{{1,2}}\b
    | (?:19|20)\d{{2}}\s?年\s?\d{{1,2}}\s?月
    | \d{{1,2}}\s?月\s?\d{{1,2}}\s?[日号]
    | \b\d{{1,2}}(?:st|nd|rd|th)?\s{_MONTH}\b
    | \b{_MONTH}\s\d{{1,2}}(?:st|nd|rd|th)?\b
    | \b[012](?:\.\d+){{4,}}\b                                        # DICOM UID
    | (?<![\d.])\d{{6,}}(?![\d.])                                     # long number: record, phone, accession
    | (?<![\w.])(?:\+?\d{{1,3}}[ -])?\(?\d{{3,4}}\)?[ -]\d{{3,4}}[ -]?\d{{4}}\b  # phone
    | \b[A-Z]{{1,4}}[-_]?\d{{5,}}\b                                     # MRN12345
    | \b(?:Mr|Mrs|Ms|Dr|Prof)\.?\s[A-Z][a-z]+                       # name with a title
    | \b(?:(?:MRN|SSN)\b|(?:[Pp]atient|[Aa]ccession|[Cc]ase)\s(?:(?:ID|number|name)\b|No\b\.?))\s*[:#]?\s*\w*\d
    | \b[Pp]atient(?:'s)?\s[Nn]ame\s?:\s?[A-Z]
    | \b[Nn]ame\s?:\s?[A-Z][a-z]+\s[A-Z][a-z]+
    | \b[Mm]y\sname\sis\s[A-Z]
    | [{_SURNAMES}](?:先生|女士|小姐)                                 # the same in Chinese
    | (?:我叫|姓名[:：])\s*[\u4e00-\u9fff]
    | \b[1-9]\d{{16}}[\dXx]\b                                         # Chinese identity card
    """,
    re.VERBOSE,
)


_SIGN = re.compile(r"[\d@]|www\.|https?:|\b(?:Mr|Mrs|Ms|Dr|Prof)\b|\b[Nn]ame\b|我叫|姓名|先生|女士|小姐")
"""Every identifier has one of these; most texts have none, and are done with."""


def find_identifier(text: str) -> str | None:
    """Return how an identifier-like string begins and where, never the whole string, or None."""
    found = _IDENTIFIER.search(text) if _SIGN.search(text) else None
    return None if found is None else f"{found.group()[:3]}… at character {found.start()}"
