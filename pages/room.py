"""A room's guesses in the lesson, for the projector."""

from ui.frame import enter
from ui.lesson import room

enter("A room", "What a class guesses in the lesson, as it guesses.")
room.show()
