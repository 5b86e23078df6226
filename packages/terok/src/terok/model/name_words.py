"""The words that generated names are made of."""

from __future__ import annotations

from typing import Final

ADJECTIVES: Final = """
able amber apt azure bold brave brief bright brisk calm clear clever cosy crisp deep deft dry eager early easy even
fair fast fine firm fleet fond fresh full glad gold good grand great green happy hardy honest humble keen kind large
late lean level light lively loyal lucid lucky mellow merry mild modest neat new nimble noble open patient plain prime
proud pure quick quiet rapid rare ready red rich round safe sharp shy silent silver sleek slim smart smooth snug sober
soft solid sound spare steady still stout strong sunny sure sweet swift tall tame tender terse tidy trim true vast
vivid warm wide wise witty young
"""
NOUNS: Final = """
acorn anchor apple arch aspen atlas badger basil bay beacon birch bison bridge brook canyon cedar cliff cloud clover
comet coral crane creek crow dawn delta dove dune eagle elk elm ember falcon fern field finch fjord flint forest fox
frost garden glade grove gull harbor hare hawk hazel heron hill island ivy jay juniper kestrel lake lantern larch lark
laurel lily linden lynx maple marsh meadow mesa mill mint moon moss moth oak ocean orchid osprey otter owl palm pearl
pebble pine plover pond poplar prairie quail quartz raven reed reef ridge river robin sage shore sparrow spruce star
stone stork stream summit swan thistle thrush tide trail tulip valley violet walnut wave willow wren yarrow
"""
