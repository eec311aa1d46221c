"""What the demo tells: three organisations that build a footbridge together. All of it is invented.

Rule: data only. `{name}` in a text becomes the mention of that person, as its author would have typed it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who can sign in; `handle` is the account name."""

    handle: str
    name: str
    is_admin: bool = False


@dataclass(frozen=True, slots=True)
class Organisation:
    """One node; `slug` is its folder and the first label of its host."""

    slug: str
    name: str
    language: str
    port: int
    people: tuple[Person, ...]

    @property
    def admin(self) -> Person:
        return next(person for person in self.people if person.is_admin)


@dataclass(frozen=True, slots=True)
class Post:
    """A post of `author` (a handle); `likes` are handles; `paper` names a file of `papers`."""

    author: str
    text: str
    language: str = "fr"
    likes: tuple[str, ...] = ()
    paper: str = ""


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread: its first post, then replies in order."""

    title: str
    posts: tuple[Post, ...]


AUBIER = Organisation(
    "aubier",
    "Aubier",
    "fr",
    8101,
    (
        Person("camille", "Camille Roussel", is_admin=True),
        Person("hugo", "Hugo Bessière"),
        Person("paul", "Paul Delmotte"),
    ),
)
NORD_ACIER = Organisation(
    "nord-acier",
    "Nord Acier",
    "fr",
    8102,
    (Person("yann", "Yann Duthoit", is_admin=True), Person("marie", "Marie Lenoir")),
)
LEROUX_HART = Organisation(
    "leroux-hart",
    "Leroux & Hart",
    "en",
    8103,
    (Person("priya", "Priya Nair", is_admin=True), Person("owen", "Owen Hart")),
)
ORGANISATIONS = (AUBIER, NORD_ACIER, LEROUX_HART)
"""Aubier is peered with each of the others, and they are not peered with each other."""

SPACE = "Passerelle de l’Ill"
SPACE_PURPOSE = "Étude, fabrication et levage de la passerelle en bois, 42 m"
INTERNAL_SPACE = "Bureau d’études"
INTERNAL_PURPOSE = "Entre nous, chez Aubier"

PDF_NAME, PDF_TITLE = "fiche-procede-135-30.pdf", "Fiche procédé 135-30, révision B"
PDF_LINES = (
    "Nord Acier, atelier de soudage (document d'exemple)",
    "",
    "Acier : S355J2, épaisseur 30 mm",
    "Procédé : 135, fil plein 1,2 mm",
    "Préchauffage : 80 °C, mesuré à 75 mm du joint, des deux côtés",
    "Au-dessous de 0 °C à l'atelier : 100 °C",
    "Température entre passes : 200 °C au plus",
    "Contrôle : ultrasons sur 20 % de la longueur, visuel sur le tout",
)
PNG_NAME = "elevation-passerelle.png"

THREADS = (
    Thread(
        "Bienvenue dans l’espace de la passerelle",
        (
            Post(
                "camille",
                "Bonjour à toutes et tous,\n\n"
                "cet espace réunit **Aubier** (bois et levage), **Nord Acier** (appuis et goussets) et"
                " **Leroux & Hart** (calculs). Tout ce qui touche à la passerelle se dit ici, chacun depuis"
                " sa propre maison.\n\nVoici l’élévation, indice C. Les appuis sont figés ; la pente du"
                " tablier peut encore bouger de 0,5 %.",
                likes=("marie", "owen", "paul"),
                paper=PNG_NAME,
            ),
            Post(
                "owen",
                "Thank you, Camille. Priya and I will answer in English, do write in French.\n\n"
                "We work from revision C then. The wind study needs the parapet height: is it 1.20 m or 1.40 m?",
                "en",
                likes=("camille",),
            ),
            Post("paul", "1,40 m : la piste est ouverte aux cyclistes.", likes=("owen",)),
            Post("marie", "Bien reçu chez Nord Acier. Nous lançons les appuis sur l’indice C."),
        ),
    ),
    Thread(
        "Preheating of the 30 mm gusset plates",
        (
            Post(
                "owen",
                "We hesitate between 80 and 110 °C for S355J2 at 30 mm, with a workshop around 5 °C."
                " The file only says “as usual”.\n\n1. What do you use?\n2. How do you measure it?",
                "en",
            ),
            Post(
                "marie",
                "80 °C suffisent en procédé 135 avec un carbone équivalent de 0,41. On mesure au crayon"
                " thermique à 75 mm du joint, des deux côtés, et on maintient pendant toute la passe."
                " Au-dessous de 0 °C, montez à 100 °C.\n\nLa fiche procédé est jointe.",
                likes=("owen", "hugo", "camille"),
                paper=PDF_NAME,
            ),
            Post(
                "hugo",
                "Chez nous la règle était 100 °C, mais elle date de l’acier de 2014. Je suis Nord Acier.",
            ),
            Post(
                "owen",
                "Perfect, that is clear. I put 80 °C into calculation note 7 and add the rule for frost.",
                "en",
                likes=("marie",),
            ),
            Post(
                "camille",
                "J’ajoute le relevé de température à la fiche de contrôle. {marie}, pouvez-vous me dire où"
                " l’atelier le note aujourd’hui ?",
            ),
        ),
    ),
    Thread(
        "Réception des platines P3 et P4",
        (
            Post(
                "hugo",
                "Les platines sont arrivées ce matin, neuf sur dix sont bonnes.\n\n"
                "- P3 : planéité 0,4 mm, admis\n- P4 : un trou à 2 mm de sa place, **à reprendre**\n\n"
                "Pouvez-vous reprendre P4 avant vendredi ?",
            ),
            Post(
                "yann",
                "C’est notre erreur. Un remplaçant part demain avec la tournée du nord.",
                likes=("hugo",),
            ),
            Post("hugo", "Parfait, je garde P4 de côté pour que vous puissiez la mesurer."),
        ),
    ),
    Thread(
        "Crane day on the north bank",
        (
            Post(
                "priya",
                "The wind limit for lifting the arch is 9 m/s at the hook. Above that we stop, whoever waits.\n\n"
                "Could you confirm the crane radius? We assumed 22 m.",
                "en",
                likes=("camille",),
            ),
            Post(
                "paul", "Rayon confirmé : 22 m, avec la grue sur la plateforme basse. Le plan de levage suit."
            ),
        ),
    ),
)

INTERNAL_THREAD = Thread(
    "Qui relit la note 7 ?",
    (
        Post("paul", "La note 7 de Leroux & Hart arrive jeudi. Hugo, tu la relis avec moi ?"),
        Post("hugo", "Oui, vendredi matin.", likes=("paul",)),
    ),
)
"""In a space that no partner ever sees."""
