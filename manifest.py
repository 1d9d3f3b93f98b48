# For firmware with the module frozen in: include("path/to/this/manifest.py") in the board's own manifest.
metadata(version="0.1.0", description="MQTT 3.1.1 client for boards", license="MIT")  # noqa: F821
package("mqtt", base_path="lib")  # noqa: F821
