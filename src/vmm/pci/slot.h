/* SPDX-License-Identifier: MIT */
#ifndef VMM_PCI_SLOT_H
#define VMM_PCI_SLOT_H

#include <stdbool.h>
#include <stdint.h>

struct func_config;

/*
 * The hot-plug slot of a root port, as registers: attention button, power controller, indicators,
 * presence and link, and the port's one MSI that reports changes of them. A command takes effect
 * at once, so the slot never reports "command completed". The host presses the button when it
 * wants the card back; the guest releases the card by turning the power off.
 * Ref: PCI Express Base 6.7 (hot-plug), 7.5.3.9 to 7.5.3.11 (slot registers).
 * Context: under the lock of the port.
 */
struct slot {
	struct func_config *regs; /* of the port */
	unsigned express; /* offset of its PCI Express capability */
	unsigned msi; /* offset of its MSI capability */
	/* Sends the port's message: a memory write of @data to @address. NULL: it is lost. */
	void (*send)(void *arg, uint64_t address, uint32_t data);
	void *arg;
	unsigned link; /* speed and width of the card's link, as in Link Status */
	bool occupied;
	bool asked; /* the button was pressed, and the card is still in the slot */
	bool listened; /* the guest enabled the button's interrupt, at the last write */
	bool told; /* a message was sent for the events that are pending */
};

/* The effect of a write to the slot's registers on its power. */
enum slot_power { SLOT_AS_IT_WAS, SLOT_TURNED_OFF, SLOT_TURNED_ON };

/* Sets the port's registers of slot @number as after power-on. */
void slot_reset(struct slot *s, unsigned number);

/* Acts on a write to the port's registers; the port calls it after each one. */
enum slot_power slot_written(struct slot *s);

/* Sets the speed and width of the card's link. */
void slot_set_link(struct slot *s, unsigned link);

/* Puts a card into the slot before the guest runs: no event. */
void slot_fill(struct slot *s);

/*
 * Puts a card into the slot while the guest runs, with the events of it: the attention button is
 * pressed, too, if the slot has no power. Twice is fine.
 */
void slot_insert(struct slot *s);

/* True if the slot has power and a card: the functions of the card can be reached. */
bool slot_linked(const struct slot *s);

/*
 * Presses the attention button. If the guest enables the button's interrupt only later, the button
 * is pressed again then.
 */
void slot_press_button(struct slot *s);

/* True if the guest is powering the slot down: a second press would cancel that. */
bool slot_acknowledges(const struct slot *s);

/* Takes the card out of the slot, with the events of it. Twice is fine. */
void slot_remove(struct slot *s);

#endif
