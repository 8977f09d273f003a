// SPDX-License-Identifier: GPL-2.0
/*
 * Gives mediated devices to PCI cards of the lab host: the kernel's sample driver mtty (a serial port for each
 * mediated device, taken from the kernel's source at build time) with a PCI function for a parent instead of a
 * device made up for it. Bind a function by driver_override, and it has mdev_supported_types as a vGPU card has:
 * labvgpu-1 takes one port of 24, labvgpu-2 takes two.
 */
#include <linux/mdev.h>
#include <linux/module.h>
#include <linux/pci.h>

#pragma push_macro("module_init")
#pragma push_macro("module_exit")
#undef module_init
#undef module_exit
#define module_init(function) static int sample_init(void) { return function(); }
#define module_exit(function) static void sample_exit(void) { function(); }
#define mdev_register_parent(parent, device, driver, types, count) 0
#define mdev_unregister_parent(parent) do { } while (0)
#include "mtty.c"
#undef mdev_register_parent
#undef mdev_unregister_parent
#pragma pop_macro("module_init")
#pragma pop_macro("module_exit")

static int labvgpu_probe(struct pci_dev *card, const struct pci_device_id *id)
{
	struct mdev_parent *parent = devm_kzalloc(&card->dev, sizeof(*parent), GFP_KERNEL);

	if (!parent)
		return -ENOMEM;
	pci_set_drvdata(card, parent);
	return mdev_register_parent(parent, &card->dev, &mtty_driver, mtty_mdev_types,
				    ARRAY_SIZE(mtty_mdev_types));
}

static void labvgpu_remove(struct pci_dev *card)
{
	mdev_unregister_parent(pci_get_drvdata(card));
}

/* No ids: only driver_override brings a function here. */
static struct pci_driver labvgpu_driver = {
	.name = "labvgpu",
	.probe = labvgpu_probe,
	.remove = labvgpu_remove,
};

static int __init labvgpu_init(void)
{
	int failed = sample_init();

	if (failed)
		return failed;
	failed = pci_register_driver(&labvgpu_driver);
	if (failed)
		sample_exit();
	return failed;
}

static void __exit labvgpu_exit(void)
{
	pci_unregister_driver(&labvgpu_driver);
	sample_exit();
}

module_init(labvgpu_init);
module_exit(labvgpu_exit);
