from ui.frame import lead_on

lead_on()
