"""The lesson, whole: a question a view, answered from what is stored."""

from ui.frame import enter_stage
from ui.lesson import stage

enter_stage("Lesson")
stage.show()
