"""What a device program asks of `network` and `machine`; the Unix port lacks both."""

import machine
import network

wlan = network.WLAN(network.STA_IF)
try:
    wlan.connect("net", "secret")
except OSError:
    print("not active")
wlan.active(True)
print(wlan.active(), wlan.isconnected(), wlan.status())
wlan.connect("net", "secret")
print(wlan.isconnected(), wlan.status() == network.STAT_GOT_IP, wlan.config("ssid"), wlan.status("rssi"))
print(wlan.ifconfig()[0])
wlan.config(pm=0)
print(wlan.config("pm"), len(wlan.config("mac")))
wlan.disconnect()
print(wlan.isconnected())

led = machine.Pin("LED", machine.Pin.OUT)
led.on()
led.toggle()
print(led.value(), led())
print(len(machine.unique_id()), machine.reset_cause() == machine.PWRON_RESET)
machine.WDT(timeout=8000).feed()
