//! Numbered places that are used again, with a generation that tells their users apart.

#[derive(Debug)]
pub(super) struct Slots<T> {
    slots: Vec<(u32, Option<T>)>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { slots: Vec::new() }
    }
}

impl<T> Slots<T> {
    /// Slot and generation.
    pub(super) fn insert(&mut self, value: T) -> (u32, u32) {
        let free = self.slots.iter().position(|slot| slot.1.is_none());
        let index = free.unwrap_or_else(|| {
            self.slots.push((0, None));
            self.slots.len() - 1
        });
        let slot = &mut self.slots[index];
        slot.1 = Some(value);
        (u32::try_from(index).expect("a test has fewer than four billion operations at once"), slot.0)
    }

    pub(super) fn remove(&mut self, index: u32, generation: u32) -> Option<T> {
        let slot = self.slots.get_mut(index as usize).filter(|slot| slot.0 == generation)?;
        let value = slot.1.take()?;
        slot.0 = slot.0.wrapping_add(1);
        Some(value)
    }

    pub(super) fn clear(&mut self) {
        for slot in self.slots.iter_mut().filter(|slot| slot.1.is_some()) {
            *slot = (slot.0.wrapping_add(1), None);
        }
    }

    pub(super) fn get(&self, index: u32, generation: u32) -> Option<&T> {
        self.slots.get(index as usize).filter(|slot| slot.0 == generation)?.1.as_ref()
    }

    pub(super) fn get_mut(&mut self, index: u32, generation: u32) -> Option<&mut T> {
        self.slots.get_mut(index as usize).filter(|slot| slot.0 == generation)?.1.as_mut()
    }

    /// Slot and generation of the first value that fits.
    pub(super) fn find(&self, fits: impl Fn(&T) -> bool) -> Option<(u32, u32)> {
        let found = (0_u32..).zip(&self.slots).find(|(_, slot)| slot.1.as_ref().is_some_and(&fits));
        found.map(|(index, slot)| (index, slot.0))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| slot.1.as_ref())
    }

    pub(super) fn len(&self) -> usize {
        self.iter().count()
    }
}
