"""An address of before, which leads to a page of today."""

from ui.frame import lead_on

lead_on()
