/* SPDX-License-Identifier: MIT */
#ifndef VMM_PCI_SLOT_H
#define VMM_PCI_SLOT_H

#include <stdbool.h>
#include <stdint.h>

struct func_config;

/*
 * The hot-plug slot below a root port, as registers: attention button, power controller, indicators,
 * presence and link, and the port's one MSI to tell of their changes. Commands are done when they
 * are written, so none is told as completed. Who presses the button is the host: it wants the card
 * back, the guest lets go of it by turning the power off. A card can also be pulled.
 * Ref: PCI Express Base 6.7 (hot-plug), 7.5.3.9 to 7.5.3.11 (slot registers).
 * Context: under the lock of the port.
 */
struct slot {
	struct func_config *regs; /* of the port */
	unsigned express; /* offset of its PCI Express capability */
	unsigned msi; /* offset of its MSI capability */
	/* Sends the port's message: a memory write of @data to @address. NULL: to nobody. */
	void (*send)(void *arg, uint64_t address, uint32_t data);
	void *arg;
	bool occupied;
	bool asked; /* the button was pressed, and the card is still there */
	bool listened; /* the guest takes notice of the button */
	bool told; /* an event stands that a message has told of */
};

/* What a write to the registers of the slot has done to its power. */
enum slot_power { SLOT_AS_IT_WAS, SLOT_TURNED_OFF, SLOT_TURNED_ON };

/* Adds the registers of slot @number as after power-on to those of the port. */
void slot_reset(struct slot *s, unsigned number);

/* To be called after each write to the port's registers: what follows from it. */
enum slot_power slot_wrote(struct slot *s);

/* A card is in the slot from the start: the guest is not told. */
void slot_fill(struct slot *s);

/* There is power, and a card: what is on it can be reached. */
bool slot_linked(const struct slot *s);

/* Presses the attention button, once; again when a guest that did not listen begins to. */
void slot_ask(struct slot *s);

/* Whether the guest has taken notice: pressed again, it would think better of it. */
bool slot_answers(const struct slot *s);

/* The card is gone. Twice is fine. */
void slot_empty(struct slot *s);

#endif
