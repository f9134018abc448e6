"""QuoteImage: a picture of what is to be taken away. It lies in the database, so that every host can show it to the AI."""

from django.db import models


class QuoteImage(models.Model):
    """One picture, made anew on upload: shrunk, without the data that cameras hide in it."""

    quote = models.ForeignKey("portal.Quote", models.CASCADE, related_name="images")
    position = models.PositiveSmallIntegerField()
    content = models.BinaryField()
    media_type = models.CharField(max_length=20, default="image/jpeg")
    width = models.PositiveIntegerField(help_text="pixels")
    height = models.PositiveIntegerField(help_text="pixels")
    size = models.PositiveIntegerField(help_text="bytes")
    name = models.CharField(max_length=120, blank=True, help_text="As the customer's file was called.")

    class Meta:
        ordering = ["quote", "position"]
        constraints = [models.UniqueConstraint(fields=["quote", "position"], name="one_image_per_position")]

    def __str__(self) -> str:
        return f"{self.quote_id}/{self.position}"
