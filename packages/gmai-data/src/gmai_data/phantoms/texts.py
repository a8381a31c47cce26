"""Phantom patient questions with answers about how imaging works; no advice and no findings."""

from typing import Any

from gmai_data.seeded import choose, hash_fraction

_EXAMS = {
    "en": {
        "a CT scan": ("X-rays from many directions", "You lie on a table that moves through a ring"),
        "an MR scan": ("a strong magnet and radio waves", "You lie still in a tube, and it is loud"),
        "a chest X-ray": ("X-rays that pass through the chest once", "You stand before a plate and hold your breath"),
        "an ultrasound exam": ("sound waves above hearing", "A probe is moved over the skin with some gel"),
        "a fundus photograph": ("a camera that looks through the pupil", "You look at a light for a few seconds"),
        "dermoscopy": ("a lit magnifying lens", "The lens is held on the skin"),
    },
    "zh": {
        "CT检查": ("来自许多方向的X射线", "您躺在检查床上，床会穿过一个环"),
        "磁共振检查": ("强磁场和无线电波", "您需要静躺在管道里，声音较大"),
        "胸部X光检查": ("一次穿过胸部的X射线", "您站在探测板前并屏住呼吸"),
        "超声检查": ("高于听觉范围的声波", "探头涂上凝胶后在皮肤上移动"),
    },
}
_TURNS = {
    "en": (
        ("How does {exam} work?", "What is {exam} made with?", "My doctor ordered {exam}. What does it use?"),
        ("What happens during it?", "What will I notice?", "How is it done?"),
        ("It uses {how}.", "The picture is made with {how}."),
    ),
    "zh": (
        ("{exam}是怎么做的？用的是什么？", "医生让我做{exam}，它用什么成像？"),
        ("过程是怎样的？", "检查时我会注意到什么？"),
        ("它使用{how}。", "图像是用{how}得到的。"),
    ),
}


def conversations(count: int, seed: int) -> list[dict[str, Any]]:
    """Return so many conversations of one or two turns, a quarter of them in Chinese, each of its own patient."""
    rows: list[dict[str, Any]] = []
    for number in range(count):
        names = ("phantom text", seed, number)
        language = "zh" if hash_fraction(*names, "language") < 0.25 else "en"
        exam = choose(sorted(_EXAMS[language]), *names, "exam")
        how, course = _EXAMS[language][exam]
        first, second, answers = _TURNS[language]
        stop = "." if language == "en" else "。"
        turns = [
            {
                "question": choose(first, *names, "first").format(exam=exam),
                "answer": choose(answers, *names, "answer").format(how=how),
            }
        ]
        if hash_fraction(*names, "turns") < 0.5:
            turns.append({"question": choose(second, *names, "second"), "answer": course + stop})
        rows.append({"patient": f"patient{number:03d}", "language": language, "turns": turns})
    return rows
