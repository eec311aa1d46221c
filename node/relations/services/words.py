"""The fingerprint once more, in eight words: for a second look once the groups match (DECISIONS 27).

Rule: a word stands for one byte, so a list has 256 different words; a list that was ever in use never changes.
"""

# ruff: noqa: SIM905 -- a list that people can read

from __future__ import annotations

import hashlib
from collections.abc import Sequence

COUNT = 8

ENGLISH = tuple(
    """
actor agent alarm album alley amber anchor angle ankle apple april apron arena arrow atlas attic
autumn baker bamboo banjo barley barrel basin basket beacon beaver bench berry bicycle bird biscuit
blanket bonnet bottle branch bread breeze brick bridge broom brush bucket butter button cabin cactus
camel camera candle canoe canvas carbon cargo carpet carrot castle cattle cedar cement chair chalk
cherry chess chimney cinema circle clarinet cliff clock cloud clover coast cobalt coffee comet
compass copper coral corner cotton cousin cradle crane crayon cricket crown crystal curtain cushion
daisy dancer desert diamond dinner doctor dolphin donkey dragon drum eagle earth easel echo elbow
ember emerald engine evening falcon farmer feather fiddle finger flame flute forest fossil fountain
galaxy garden garlic gazelle ginger giraffe glacier glove goblet gondola granite grape guitar hammer
harbour harvest hazel helmet heron hexagon hockey honey horizon hornet island ivory jacket jasmine
jewel jigsaw jungle kettle kitchen kiwi ladder lagoon lantern lemon lettuce library lobster locket
magnet mango maple marble meadow melon meteor mirror monday monkey morning mosaic muffin museum
mustard nectar needle nephew nickel nutmeg oasis ocean olive onion opera orange orchid otter oyster
paddle palace panda paper parrot parsley pebble pencil pepper piano pigeon pillow pilot planet
plaster pocket poppy potato prairie pumpkin puzzle rabbit racket radish raven ribbon river robin
rocket saddle salmon sandal satin saturn scarf shadow shelter silver sister sparrow spiral spring
squirrel summer sunday table temple thunder tiger timber tomato tractor trumpet tulip tunnel turtle
umbrella valley velvet violet walnut water willow window winter zebra zipper
""".split()
)

FRENCH = tuple(
    """
abeille abricot acier agneau aigle aiguille album algue amande ambre ananas ancre anguille animal
anneau arbre ardoise argent argile armoire artiste asperge assiette atelier atlas aubier automne
avion avocat avril bagage balai balcon baleine ballon bambou banane banc barque bateau bijou biscuit
bleuet boisson bonnet bouchon bougie boulon bouquet boussole bouteille bouton branche brebis brique
brise brosse bureau cabane cactus cadran cahier caillou camion canard canoë carafe caramel carbone
carotte carton castor cerise chaise chameau chemin cheval chèvre cigale ciment cinéma citron clairon
clavier cloche clou cobalt colline colombe comète compas concert corail corbeau corde coton coussin
couteau crabe craie crayon cristal crochet cuivre cygne dauphin demain désert diamant dimanche
dindon domino douche dragon écharpe échelle éclair école écran écureuil église encre enfant épingle
érable escalier étoile facteur falaise famille farine faucon fenêtre ferme feuille ficelle figue
flamme fleuve flûte forêt fougère fourmi fraise framboise fromage fusée galet gant garage gazelle
genou girafe givre glacier gomme gorille granit grenier grillon guitare hamac haricot hélice herbe
héron hiver horloge huile image indigo ivoire jardin jasmin jeudi jonquille journal jument jupe
kayak kiwi lagune laine lampe lapin laurier légume lézard lilas lime lion livre losange loup lumière
lundi lutin maison mangue marbre marteau matin médaille melon menthe merle miel miroir mouette
moulin mouton musée myrtille navire neige noisette nuage océan olive ombre orage orange orchidée
oreille panier papier parasol pêche peinture pelle perle perroquet piano pigeon pilote pinceau
planche plume poire poivre pomme prairie prune puits quai radis raisin rivière roseau ruban sable
sapin saumon savon soleil souris
""".split()
)

LISTS = {"en": ENGLISH, "fr": FRENCH}


def words(groups: Sequence[str], language: str) -> list[str]:
    """The words for the six groups of a fingerprint, the same on both sides for one `language`."""
    hashed = hashlib.sha256(" ".join(groups).encode()).digest()
    chosen = LISTS.get(language, ENGLISH)
    return [chosen[byte] for byte in hashed[:COUNT]]
